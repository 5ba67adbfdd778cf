//! Requests over the socket, and their replies.

use super::{Snapshot, VmState, socket};
use manage::{
    Command, Counters, Deframer, Hello, MAX_FRAME, Refusal, Reply, Request, VERSION, VcpuInfo, VmInfo, decode, encode,
};
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Until then root has answered, or does not: restarts scrub memory, and the machine may be slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for the first answer.
const FIRST: Duration = Duration::from_secs(15);

/// A connection to a running system.
pub struct Client {
    stream: UnixStream,
    input: Deframer,
    id: u16,
    patience: Duration,
    /// Name of the run.
    pub name: String,
    /// Who answered.
    pub hello: Hello,
}

impl Client {
    /// Connects to the run of this name, or the only one.
    pub fn open(name: Option<&str>) -> Result<Self> {
        let (name, path) = socket::choose(name)?;
        Self::connect(name, &path)
    }

    /// Connects to a socket.
    pub fn connect(name: String, path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot connect to {}", path.display()))?;
        stream.set_read_timeout(Some(Duration::from_millis(100))).into_diagnostic()?;
        stream.set_write_timeout(Some(FIRST)).into_diagnostic()?;
        let hello = Hello { version: 0, vms: 0, cores: 0, frequency: 1, now: 0, garbage: 0 };
        let id = std::process::id() as u16;
        let mut client = Self { stream, input: Deframer::new(), id, patience: FIRST, name, hello };
        // Ends what another client may have left half sent.
        client.write(&[0])?;
        client.hello = client.greet()?;
        client.patience = PATIENCE;
        Ok(client)
    }

    fn greet(&mut self) -> Result<Hello> {
        match self.request(Request::Hello { version: VERSION })? {
            Reply::Hello(hello) if hello.version == VERSION => Ok(hello),
            Reply::Hello(hello) => {
                bail!(
                    help = "use the `sosia` of the checkout that started it",
                    "the system speaks version {} of the management protocol, this tool version {VERSION}",
                    hello.version
                )
            }
            other => Err(unexpected(&other)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).into_diagnostic().wrap_err_with(|| format!("`{}` takes no requests", self.name))
    }

    /// Sends a request and waits for its reply.
    pub fn request(&mut self, request: Request) -> Result<Reply> {
        self.id = self.id.wrapping_add(1);
        let mut frame = [0; MAX_FRAME];
        let length = encode(self.id, &request, &mut frame).ok_or_else(|| miette!("a request has no room"))?;
        self.write(frame.get(..length).unwrap_or_default())?;
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(reply) = self.receive()? {
                return Ok(reply);
            }
            if Instant::now() >= deadline {
                let help = "one client at a time is served: end another `sosia top`; or see the system's console";
                bail!(help = help, "`{}` does not answer", self.name);
            }
        }
    }

    /// Reads what is there; gives the reply to the last request, if it is among it.
    fn receive(&mut self) -> Result<Option<Reply>> {
        let mut buffer = [0; 1024];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("`{}` has ended", self.name),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error).into_diagnostic().wrap_err_with(|| format!("`{}` has ended", self.name)),
        };
        for byte in buffer.iter().take(count) {
            let Some(frame) = self.input.push(*byte) else { continue };
            // What is damaged, or another client's, is not for this one.
            if let Ok((id, reply)) = decode(frame)
                && id == self.id
            {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// All there is to know.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let hello = self.greet()?;
        let mut vms = Vec::new();
        for vm in 0..hello.vms {
            let info = self.vm(vm)?;
            let vcpus = (0..info.vcpus).map(|index| self.vcpu(vm, index)).collect::<Result<_>>()?;
            vms.push(VmState { info, vcpus });
        }
        Ok(Snapshot { hello, vms, counters: self.counters()? })
    }

    fn vm(&mut self, vm: u8) -> Result<VmInfo> {
        match self.request(Request::Vm(vm))? {
            Reply::Vm(info) => Ok(info),
            other => Err(unexpected(&other)),
        }
    }

    fn vcpu(&mut self, vm: u8, index: u8) -> Result<VcpuInfo> {
        match self.request(Request::Vcpu { vm, index })? {
            Reply::Vcpu(info) => Ok(info),
            other => Err(unexpected(&other)),
        }
    }

    fn counters(&mut self) -> Result<Counters> {
        match self.request(Request::Counters)? {
            Reply::Counters(counters) => Ok(counters),
            other => Err(unexpected(&other)),
        }
    }

    /// Number of the VM with this name.
    pub fn find(&mut self, name: &str) -> Result<u8> {
        let mut names = Vec::new();
        for vm in 0..self.hello.vms {
            let known = super::snapshot::name(&self.vm(vm)?.name);
            if known == name {
                return Ok(vm);
            }
            names.push(known);
        }
        Err(miette!(help = format!("its VMs: {}", names.join(", ")), "`{}` has no VM `{name}`", self.name))
    }

    /// Has something done with a VM; gives why not, where it was refused.
    pub fn command(&mut self, vm: u8, command: Command) -> Result<Option<&'static str>> {
        match self.request(Request::Command { vm, command })? {
            Reply::Done => Ok(None),
            Reply::Refused(refusal) => Ok(Some(why(refusal))),
            other => Err(unexpected(&other)),
        }
    }
}

fn why(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unknown => "the system does not know this request",
        Refusal::NoSuch => "there is no such VM",
        Refusal::Running => "it runs already",
        Refusal::Stopped => "it is stopped already",
        Refusal::Failed => "it failed; the system's console says more",
    }
}

fn unexpected(reply: &Reply) -> miette::Report {
    match reply {
        Reply::Refused(refusal) => miette!("the system refused a request: {}", why(*refusal)),
        other => miette!("the system answered something else than was asked: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A server that answers the n-th request with the n-th list of frames' bodies, each with its id or one beside it.
    fn serve(script: Vec<Vec<(i32, Reply)>>) -> (std::path::PathBuf, std::thread::JoinHandle<()>) {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sosia-client-{}-{count}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut input = Deframer::new();
            for replies in script {
                let id = loop {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    if let Some(frame) = input.push(byte[0]) {
                        break decode::<Request>(frame).unwrap().0;
                    }
                };
                stream.write_all(b"noise\0").unwrap();
                for (beside, reply) in replies {
                    let mut frame = [0; MAX_FRAME];
                    let length = encode(id.wrapping_add(beside as u16), &reply, &mut frame).unwrap();
                    stream.write_all(&frame[..length]).unwrap();
                }
            }
        });
        (path, thread)
    }

    fn hello(version: u16) -> Reply {
        Reply::Hello(Hello { version, vms: 1, cores: 2, frequency: 1000, now: 1, garbage: 0 })
    }

    #[test]
    fn reply_is_found_among_noise_and_replies_to_others() {
        let counters = |objects| Reply::Counters(Counters { objects, ..Counters::default() });
        let (path, thread) = serve(vec![vec![(0, hello(VERSION))], vec![(-1, counters(1)), (0, counters(2))]]);

        let mut client = Client::connect("x".into(), &path).unwrap();
        let found = client.counters().unwrap();
        thread.join().unwrap();
        std::fs::remove_file(path).unwrap();

        assert_eq!((client.hello.cores, found.objects), (2, 2));
    }

    #[test]
    fn other_version_is_told() {
        let (path, thread) = serve(vec![vec![(0, hello(VERSION + 1))]]);

        let error = Client::connect("x".into(), &path).err().unwrap();
        thread.join().unwrap();
        std::fs::remove_file(path).unwrap();

        assert!(error.to_string().contains(&format!("version {} of the management", VERSION + 1)), "{error}");
    }

    #[test]
    fn system_that_ends_is_told() {
        let (path, thread) = serve(vec![vec![(0, hello(VERSION))]]);
        let mut client = Client::connect("x".into(), &path).unwrap();
        thread.join().unwrap();
        std::fs::remove_file(path).unwrap();

        assert!(client.counters().is_err());
    }
}
