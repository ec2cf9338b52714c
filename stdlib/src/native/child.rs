//! A program that is given bytes and writes some: it is ended when nobody waits for it any more.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// How much of what a program complains of is kept, in bytes.
const MOST_COMPLAINTS: u64 = 64 << 10;

/// What a program may take, where the system can bound it.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// How many bytes of addresses it may have.
    pub(super) memory: u64,
    /// How many seconds a processor may work for it: that it ends by itself matters when whoever has started it is gone.
    pub(super) seconds: u64,
}

/// How a program has ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// What it has written.
    pub(super) output: std::io::Result<Vec<u8>>,
    /// What it complains of.
    pub(super) complaints: String,
}

struct Running(Arc<Mutex<Child>>);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended can't be: that is what is wanted.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).kill());
    }
}

/// Bounds what a program takes, before it is given anything.
#[cfg(target_os = "linux")]
fn bound(child: &Child, bounds: Bounds) -> std::io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let of = Some(Pid::from_child(child));
    for (resource, most) in [(Resource::Core, 0), (Resource::As, bounds.memory), (Resource::Cpu, bounds.seconds)] {
        prlimit(of, resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Other systems can't bound a program from outside; it is ended all the same when its step is given up.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn bound(_: &Child, _: Bounds) -> std::io::Result<()> {
    Ok(())
}

/// Runs a program within bounds, gives it the input, and takes up to so many bytes of what it writes: more are an error.
///
/// # Errors
/// It does not start, or nothing is known of its end.
pub(super) async fn ran(mut command: Command, input: Vec<u8>, most: u64, bounds: Bounds) -> std::io::Result<Ended> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Err(error) = bound(&child, bounds) {
        // One that has ended by now says itself why.
        if child.try_wait()?.is_none() {
            drop(child.kill());
            drop(child.wait());
            return Err(error);
        }
    }
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let running = Running(Arc::new(Mutex::new(child)));
    let child = Arc::clone(&running.0);
    let waited = tokio::task::spawn_blocking(move || {
        let (output, complaints) = piped(pipes, &input, most);
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        if output.is_err() {
            // Whoever writes too much would wait for a reader.
            drop(child.kill());
        }
        child.wait().map(|status| Ended { status, output, complaints })
    });
    let ended = waited.await.map_err(std::io::Error::other)?;
    drop(running);
    ended
}

type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

/// Gives the input, and reads both outputs to their ends.
fn piped((stdin, stdout, stderr): Pipes, input: &[u8], most: u64) -> (std::io::Result<Vec<u8>>, String) {
    thread::scope(|scope| {
        // A program that ends early reads no more: what it complains of says why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let complaints = scope.spawn(move || {
            let mut said = Vec::new();
            if let Some(mut stderr) = stderr {
                drop(stderr.by_ref().take(MOST_COMPLAINTS).read_to_end(&mut said));
                drop(std::io::copy(&mut stderr, &mut std::io::sink()));
            }
            String::from_utf8_lossy(&said).into_owned()
        });
        let mut output = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(most.saturating_add(1)).read_to_end(&mut output));
        let output = match read {
            Ok(_) if output.len() as u64 > most => {
                Err(std::io::Error::other(format!("more than {most} bytes come out")))
            }
            Ok(_) => Ok(output),
            Err(error) => Err(error),
        };
        (output, complaints.join().unwrap_or_default())
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { memory: 256 << 20, seconds: 7 };

    async fn shell(script: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ran(command, b"go\n".to_vec(), 1 << 20, BOUNDS).await.unwrap()
    }

    #[tokio::test]
    async fn a_program_has_its_bounds_before_it_is_given_anything() {
        let ended = shell("read line; echo $line; ulimit -v; ulimit -t; ulimit -c").await;
        assert!(ended.status.success(), "{}", ended.complaints);
        assert_eq!(String::from_utf8(ended.output.unwrap()).unwrap(), "go\n262144\n7\n0\n");
    }

    #[tokio::test]
    async fn a_program_that_takes_more_memory_ends_and_says_so() {
        // `tail` keeps what has no end of a line, whatever its length.
        let ended = shell("read line; head -c 400000000 /dev/zero | tail -n 1 | wc -c").await;
        assert_ne!(String::from_utf8(ended.output.unwrap()).unwrap(), "400000000\n");
        assert!(ended.complaints.contains("memory"), "{}", ended.complaints);
    }
}
