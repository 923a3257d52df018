//! The only place of this room that opens a file.

use std::io::{self, Read};
use std::path::Path;

use super::{FILE_BYTES_MAX, Report, check};

/// Reads and checks a file; of one that is too long, no more than shows that.
///
/// # Errors
///
/// The file can't be read.
#[expect(
    clippy::disallowed_types,
    reason = "reading the configuration is the outer ring's part of this room"
)]
pub fn load(path: &Path) -> io::Result<Report> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(check(&bytes, &path.display().to_string()))
}
