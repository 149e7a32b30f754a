//! What a program writes until it exits.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

/// For how long what is still in the pipes is read once the program has exited.
const GRACE: Duration = Duration::from_millis(200);

/// Waits until a program exits: its status, and what it wrote to standard output and standard
/// error.
///
/// What it leaves running may hold its pipes open for as long as a server runs (`pg_ctl start`
/// without `-l`). That is not waited for. What it writes later is read and thrown away, so that it
/// does not end with a broken pipe.
///
/// # Errors
/// If it cannot be waited for, or its pipes cannot be read.
pub(super) async fn until_exit(child: &mut Child) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let are_closed = {
        let both = async { tokio::try_join!(read(out.as_mut(), &mut stdout), read(err.as_mut(), &mut stderr)) };
        tokio::pin!(both);
        tokio::select! {
            read = &mut both => read.map(|_| true)?,
            _ = child.wait() => match tokio::time::timeout(GRACE, &mut both).await {
                Ok(read) => read.map(|_| true)?,
                Err(_) => false,
            },
        }
    };
    if !are_closed {
        tokio::spawn(throw_away(out));
        tokio::spawn(throw_away(err));
    }
    Ok((child.wait().await?, stdout, stderr))
}

/// Reads a pipe to its end. What was read is kept if this is dropped before.
async fn read(pipe: Option<&mut (impl AsyncRead + Unpin)>, bytes: &mut Vec<u8>) -> io::Result<()> {
    if let Some(pipe) = pipe {
        while pipe.read_buf(bytes).await? > 0 {}
    }
    Ok(())
}

/// Reads a pipe to its end, for nobody.
async fn throw_away(pipe: Option<impl AsyncRead + Unpin>) {
    if let Some(mut pipe) = pipe {
        // Whoever writes there is nobody's concern any more.
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    async fn run(script: &str) -> (ExitStatus, String, String) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), until_exit(&mut child)).await;
        let (status, out, err) = ended.expect("nothing waits for what was left running").unwrap();
        (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[tokio::test]
    async fn everything_is_read_of_a_program_that_leaves_nothing_running() {
        let (status, out, err) = run("seq 1 100000; echo wrong >&2; exit 3").await;
        assert_eq!((status.code(), out.lines().count(), err.as_str()), (Some(3), 100_000, "wrong\n"));
        // Who has closed both is waited for.
        assert_eq!(run("exec >&- 2>&-; sleep 0.3; exit 4").await.0.code(), Some(4));
    }

    #[tokio::test]
    async fn what_is_left_running_is_not_waited_for_and_is_not_ended() {
        let dir = tempfile::tempdir().unwrap();
        let later = dir.path().join("later");
        let script = format!("(sleep 1; echo more; echo more >&2; : >{}; exec sleep 120) & echo $!", later.display());
        let (status, out, err) = run(&script).await;
        assert_eq!((status.code(), err.as_str()), (Some(0), ""));
        let pid = nix::unistd::Pid::from_raw(out.trim().parse().unwrap());
        for _ in 0..600 {
            if later.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let was_ended = !later.exists();
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it still runs");
        assert!(!was_ended, "it is not ended by what it writes");
    }
}
