//! Listening Unix sockets: made with their mode, a stale file of a daemon that died replaced, a live one's left
//! alone, removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::daemon::DaemonError;

/// Owner and group: whoever may use the telephone is put into the group.
const MODE: u32 = 0o660;

/// The file of a listening socket; removed when dropped, unless somebody else has put another in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens on `path`.
pub fn listen(path: &Path) -> Result<(UnixListener, SocketFile), DaemonError> {
    let problem = |reason: String| DaemonError::UnixSocket {
        path: path.to_owned(),
        reason,
    };
    remove_stale(path).map_err(problem)?;
    let listener = UnixListener::bind(path).map_err(|error| problem(bind_reason(path, &error)))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))
        .map_err(|error| problem(format!("its mode cannot be set: {error}")))?;
    let inode = std::fs::symlink_metadata(path)
        .map_err(|error| problem(error.to_string()))?
        .ino();
    let file = SocketFile {
        path: path.to_owned(),
        inode,
    };
    Ok((listener, file))
}

/// A socket file that nobody listens on is left over from a daemon that was killed.
fn remove_stale(path: &Path) -> Result<(), String> {
    let Ok(file) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !file.file_type().is_socket() {
        return Err(
            "there is a file of that name that is no socket; remove it or choose another path".to_owned(),
        );
    }
    match socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)
        .and_then(|probe| probe.connect(&socket2::SockAddr::unix(path)?))
    {
        Ok(()) => Err("another program (a second tipring?) is listening there".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| format!("the stale socket cannot be removed: {error}"))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn bind_reason(path: &Path, error: &io::Error) -> String {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match (error.kind(), directory) {
        (io::ErrorKind::NotFound, Some(directory)) => {
            format!("the directory {} is missing; make it first", directory.display())
        }
        (io::ErrorKind::PermissionDenied, Some(directory)) => {
            format!("this user may not write to {}", directory.display())
        }
        // The kernel's sun_path holds 108 bytes (unix(7)).
        (io::ErrorKind::InvalidInput, _) => {
            "the path is too long for a socket (at most 107 bytes)".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("line.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (_listener, file) = listen(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let refused = listen(&path).unwrap_err().to_string();
        assert!(refused.contains("another program"), "{refused}");
        drop(file);
        assert!(!path.exists(), "removed at the end");
    }

    #[tokio::test]
    async fn a_missing_directory_and_a_plain_file_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = listen(&directory.path().join("no/line.sock"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("/no is missing"), "{missing}");
        let file = directory.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert!(listen(&file).unwrap_err().to_string().contains("no socket"));
        assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    }
}
