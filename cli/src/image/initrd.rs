//! The busybox initrd, as a cpio archive in "newc" format (Linux, Documentation/driver-api/early-userspace/
//! buffer-format.rst), written without root's rights: device nodes are entries like others.

use super::modules::Module;
use std::fmt::Write as _;

/// A command that the guest runs in place of a shell.
pub struct Script {
    /// For `sh`.
    pub command: String,
    /// Tells our marker lines from whatever the command prints.
    pub nonce: String,
    /// The VM that runs it; none: each that has our initrd.
    pub vm: Option<String>,
    /// A program that it finds as /bin/loops.
    pub program: Option<Vec<u8>>,
}

impl Script {
    /// Whether this VM runs it.
    pub fn is_for(&self, vm: &str) -> bool {
        self.vm.as_deref().is_none_or(|own| own == vm)
    }
}

const DIR: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHAR_DEVICE: u32 = 0o020_600;

/// An initrd with busybox and the kernel's modules, which gives a shell on the console, or runs a script.
pub fn busybox(busybox: &[u8], modules: &[Module], script: Option<&Script>) -> Vec<u8> {
    let mut cpio = Cpio::default();
    for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "run", "modules"] {
        cpio.add(dir, DIR, (0, 0), b"");
    }
    cpio.add("dev/console", CHAR_DEVICE, (5, 1), b"");
    cpio.add("dev/null", CHAR_DEVICE, (1, 3), b"");
    cpio.add("bin/busybox", FILE, (0, 0), busybox);
    cpio.add("bin/sh", LINK, (0, 0), b"busybox");
    cpio.add("bin/ask", FILE, (0, 0), ASK.as_bytes());
    cpio.add("etc/passwd", 0o100_644, (0, 0), b"root:x:0:0:root:/root:/bin/sh\n");
    cpio.add("etc/profile", 0o100_644, (0, 0), PROFILE.as_bytes());
    for (n, module) in modules.iter().enumerate() {
        cpio.add(&format!("modules/{n:02}-{}.ko", module.name), 0o100_644, (0, 0), &module.bytes);
    }
    match script {
        Some(script) => {
            script.program.iter().for_each(|program| cpio.add("bin/loops", FILE, (0, 0), program));
            cpio.add("exec.sh", FILE, (0, 0), script.command.as_bytes());
            cpio.add("init", FILE, (0, 0), exec_init(&script.nonce).as_bytes());
        }
        None => cpio.add("init", FILE, (0, 0), format!("{MOUNTS}{SHELL}").as_bytes()),
    }
    cpio.finish()
}

const MOUNTS: &str = "\
#!/bin/sh
export PATH=/bin HOME=/root TERM=${TERM:-vt100}
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts 2>/dev/null
hostname guest
dmesg -n 1
for module in /modules/*.ko; do [ -e $module ] && insmod $module; done
if ls /sys/bus/virtio/devices/* >/dev/null 2>&1; then
    mkdir -p /dev/virtio-ports
    # Names come after the ports: the driver asks for them. Ten seconds at most.
    for try in $(seq 100); do
        set -- /sys/class/virtio-ports/*
        ports=$#
        set -- /sys/class/virtio-ports/*/name
        [ -e $1 ] && [ $# = $ports ] && break
        sleep 0.1
    done
    for port in /sys/class/virtio-ports/*; do
        read -r name 2>/dev/null <$port/name && ln -s ../${port##*/} /dev/virtio-ports/$name
    done
fi
";

/// The shell prefers its built-in applets to files, so that functions are what makes `poweroff` and `reboot` act: no init
/// process listens for the signals that these send.
const PROFILE: &str = "\
PS1='guest:\\w\\$ '
export PS1
poweroff() { busybox poweroff -f; }
reboot() { busybox reboot -f; }
halt() { busybox halt -f; }
";

/// A line to a virtio port, and the lines that come back. A port has one user at a time.
const ASK: &str = "\
#!/bin/sh
# ask PORT WORDS: sends a line to /dev/virtio-ports/PORT, prints the lines that come within a second of each other.
[ $# -gt 1 ] || { echo 'usage: ask PORT WORDS' >&2; ls /dev/virtio-ports >&2; exit 2; }
port=$1 && shift && exec 3<>/dev/virtio-ports/$port || exit 1
echo \"$*\" >&3
while read -r -t 1 line <&3; do echo \"$line\"; done
";

/// A shell with job control on the console; when it ends, the machine is powered off.
const SHELL: &str = "\
echo
echo \"$(uname -sr) on $(nproc) CPUs. 'poweroff' ends the run, 'reboot' reboots the guest.\"
cd /root
setsid cttyhack sh -l
poweroff -f
";

fn exec_init(nonce: &str) -> String {
    // The markers come through `printf`, the output between them raw: no newline is changed on its way.
    format!(
        "{MOUNTS}exec </dev/null >/dev/console 2>&1
stty -opost -echo </dev/console
printf '%s' '{}'
sh /exec.sh
status=$?
printf '%s%s\\n' '{}' $status
poweroff -f
",
        begin_marker(nonce),
        end_marker(nonce)
    )
}

/// What the guest prints before the command's output.
pub fn begin_marker(nonce: &str) -> String {
    format!("[[sosia {nonce} begin]]")
}

/// What the guest prints after the command's output; the exit status and a newline follow.
pub fn end_marker(nonce: &str) -> String {
    format!("[[sosia {nonce} end]]")
}

#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
}

impl Cpio {
    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.inode += 1;
        let links = if mode == DIR { 2 } else { 1 };
        let name_size = name.len() as u32 + 1;
        let fields = [self.inode, mode, 0, 0, links, 0, data.len() as u32, 0, 0, device.0, device.1, name_size, 0];
        let mut header = String::from("070701");
        for field in fields {
            let _ = write!(header, "{field:08x}");
        }
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align(4);
        self.bytes.extend_from_slice(data);
        self.align(4);
    }

    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, (0, 0), b"");
        self.align(512);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_has_the_newc_fields() {
        let mut cpio = Cpio::default();
        cpio.add("ab", FILE, (0, 0), b"data!");

        let text = String::from_utf8_lossy(&cpio.bytes).into_owned();

        assert!(text.starts_with("070701"));
        assert_eq!(&text[6 + 8..6 + 16], "000081ed");
        assert_eq!(&text[6 + 48..6 + 56], "00000005");
        assert_eq!(&text[110..113], "ab\0");
        assert_eq!(&text[116..121], "data!");
        assert_eq!(cpio.bytes.len() % 4, 0);
    }
}
