//! A program that is given bytes and writes some: it is ended when nobody waits for it any more.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// How much of what a program complains of is kept, in bytes.
const MOST_COMPLAINTS: u64 = 64 << 10;

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

/// Runs a program, gives it the input, and takes up to so many bytes of what it writes: more are an error.
///
/// # Errors
/// It does not start, or nothing is known of its end.
pub(super) async fn ran(mut command: Command, input: Vec<u8>, most: u64) -> std::io::Result<Ended> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
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
