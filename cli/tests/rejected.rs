//! One rejected system file, one exact message: `rejected/NAME.toml` and what `sosia check` says of it in
//! `rejected/NAME.stderr`. With `UPDATE=1` the messages are written anew.

use std::path::{Path, PathBuf};
use std::process::Command;

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected");
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    files.sort();
    files
}

fn message(file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sosia"))
        .arg("check")
        .arg(Path::new("tests/rejected").join(file.file_name().unwrap()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .env_remove("SOSIA_ROOT")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125), "{} was not refused", file.display());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn each_rejected_file_gets_its_message() {
    let mut wrong = Vec::new();
    for file in files() {
        let kept = file.with_extension("stderr");
        let message = message(&file);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&kept, &message).unwrap();
        }
        let wanted = std::fs::read_to_string(&kept).unwrap_or_default();
        if message != wanted {
            wrong.push(format!("{}: wanted\n{wanted}\ngot\n{message}", file.display()));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_old_qemu_is_refused_by_words() {
    let dir = std::env::temp_dir().join(format!("sosia-old-qemu-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let qemu = dir.join("qemu");
    std::fs::write(&qemu, "#!/bin/sh\necho 'QEMU emulator version 7.2.17 (Debian 1:7.2)'\n").unwrap();
    Command::new("chmod").arg("+x").arg(&qemu).status().unwrap();

    let output = Command::new(env!("CARGO_BIN_EXE_sosia")).arg("doctor").env("SOSIA_QEMU", &qemu).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("is QEMU 7.2.17, which is too old: 10.0 or newer is needed"), "{text}");
}

#[test]
fn esr_is_told_in_words() {
    let output = Command::new(env!("CARGO_BIN_EXE_sosia")).args(["decode", "0x96000050"]).output().unwrap();

    assert!(String::from_utf8(output.stdout).unwrap().contains("Data Abort taken without a change in Exception level"));
}

#[test]
fn completions_name_the_subcommands() {
    let output = Command::new(env!("CARGO_BIN_EXE_sosia")).args(["completions", "bash"]).output().unwrap();

    assert!(String::from_utf8(output.stdout).unwrap().contains("decode"));
}
