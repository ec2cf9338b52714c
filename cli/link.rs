//! How is the program linked?
//!
//! A program that may lie anywhere in memory is fixed up when it starts, at 170,000 places. Their list takes 24 bytes for
//! each, 4 MB that stay in memory; the compact one of the same places (`DT_RELR` of the generic ABI) takes a hundredth. The
//! loader of glibc reads it since 2.36, so it is used where the machine that builds has that.

#![expect(clippy::print_stdout, reason = "cargo reads what is printed")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=cli/link.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let is_here = std::env::var("HOST").is_ok_and(|host| is("TARGET", &host));
    if is_here && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && glibc() >= Some((2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of glibc here.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
