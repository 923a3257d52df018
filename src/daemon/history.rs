//! The call history: one JSON object a line in `calls.jsonl` of the state directory, bounded, and never in the
//! way of a call: a full disk or a read-only file system costs the record's file, with one warning.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::call::CallRecord;

/// Records kept.
const RECORDS_MAX: usize = 1000;

/// The file is rewritten with the newest [`RECORDS_MAX`] once it holds this many.
const LINES_MAX: usize = 2 * RECORDS_MAX;

/// Read from the file's end at most: [`LINES_MAX`] records of ordinary length several times over.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Longest line believed to be a record.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Records waiting for a slow disk.
const QUEUE: usize = 64;

/// File name in the state directory.
const FILE_NAME: &str = "calls.jsonl";

/// Where the history is kept unless told otherwise: `/var/lib/tipring`, or under a user the state directory that
/// the XDG base directory specification names.
pub fn default_state_directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("STATE_DIRECTORY") {
        // Set by the service manager (systemd.exec(5)).
        return directory.into();
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/tipring");
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    state.or_else(home).map_or_else(
        || PathBuf::from("/var/lib/tipring"),
        |state| state.join("tipring"),
    )
}

/// The history in memory, and the thread that writes it.
#[derive(Debug)]
pub struct History {
    records: VecDeque<CallRecord>,
    writer: Option<SyncSender<CallRecord>>,
}

impl History {
    /// Reads what there is in `directory` and starts the writer. Without a directory the history lives in memory.
    pub fn open(directory: Option<&Path>) -> Self {
        let Some(directory) = directory else {
            return Self {
                records: VecDeque::new(),
                writer: None,
            };
        };
        let path = directory.join(FILE_NAME);
        let records = read(directory);
        let (writer, queue) = sync_channel(QUEUE);
        let kept: VecDeque<CallRecord> = records.clone().into();
        let file = HistoryFile::new(path, kept);
        let spawned = std::thread::Builder::new()
            .name("history".into())
            .stack_size(256 * 1024)
            .spawn(move || write(&queue, file));
        if let Err(error) = &spawned {
            tracing::warn!(%error, "the call history is kept in memory only");
        }
        Self {
            records: records.into(),
            writer: spawned.is_ok().then_some(writer),
        }
    }

    /// Adds a finished call.
    pub fn add(&mut self, record: CallRecord) {
        if let Some(writer) = &self.writer
            && writer.try_send(record.clone()).is_err()
        {
            tracing::warn!("the disk is too slow for the call history; a record is kept in memory only");
        }
        push_bounded(&mut self.records, record);
    }

    /// All records, oldest first.
    pub fn records(&self) -> &VecDeque<CallRecord> {
        &self.records
    }

    /// The record of that identifier; of several (after a restart) the newest.
    pub fn find(&self, id: &str) -> Option<&CallRecord> {
        self.records.iter().rev().find(|record| record.id == id)
    }
}

/// The history on disk, oldest first; what isn't a record (a line cut off by a full disk or a power cut) is
/// skipped.
pub fn read(directory: &Path) -> Vec<CallRecord> {
    let path = directory.join(FILE_NAME);
    // A pipe or a device in its place has no end.
    if !std::fs::metadata(&path).is_ok_and(|file| file.is_file()) {
        return Vec::new();
    }
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    // A file shorter than that is read from its start.
    let _ = file.seek(SeekFrom::End(-(FILE_BYTES_MAX as i64)));
    let mut reader = BufReader::new(file.take(FILE_BYTES_MAX));
    let mut records = VecDeque::new();
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return records.into(),
            Ok(_) => {
                if let Ok(record) = serde_json::from_slice(&line) {
                    push_bounded(&mut records, record);
                }
            }
        }
    }
}

fn push_bounded(records: &mut VecDeque<CallRecord>, record: CallRecord) {
    if records.len() >= RECORDS_MAX {
        records.pop_front();
    }
    records.push_back(record);
}

fn write(queue: &Receiver<CallRecord>, mut file: HistoryFile) {
    let mut failing = false;
    while let Ok(record) = queue.recv() {
        match file.add(record) {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(path = %file.path.display(), "the call history is written again");
            }
            Ok(()) => {}
            // Once, not with every call.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(path = %file.path.display(), %error, "the call history cannot be written; calls go on");
            }
            Err(_) => {}
        }
    }
}

/// The file and what belongs in it.
#[derive(Debug)]
struct HistoryFile {
    path: PathBuf,
    kept: VecDeque<CallRecord>,
    lines: usize,
}

impl HistoryFile {
    fn new(path: PathBuf, kept: VecDeque<CallRecord>) -> Self {
        let lines = kept.len();
        Self { path, kept, lines }
    }

    fn add(&mut self, record: CallRecord) -> std::io::Result<()> {
        let line = serde_json::to_string(&record)?;
        push_bounded(&mut self.kept, record);
        if self.lines >= LINES_MAX {
            self.rewrite()?;
            self.lines = self.kept.len();
            return Ok(());
        }
        self.append(&line)?;
        self.lines += 1;
        Ok(())
    }

    fn append(&self, line: &str) -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&self.path)?;
        // A line cut short by a full disk must not swallow the next one.
        let cut_short = file.metadata()?.is_file() && file.seek(SeekFrom::End(-1)).is_ok() && {
            let mut last = [0];
            file.read_exact(&mut last)?;
            last != *b"\n"
        };
        let line_break = if cut_short { "\n" } else { "" };
        file.write_all(format!("{line_break}{line}\n").as_bytes())
    }

    /// Whole or not at all: a new file takes the old one's place.
    fn rewrite(&self) -> std::io::Result<()> {
        let fresh = self.path.with_extension("jsonl.new");
        let mut text = String::new();
        for record in &self.kept {
            text.push_str(&serde_json::to_string(record)?);
            text.push('\n');
        }
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: usize) -> CallRecord {
        let json = serde_json::json!({
            "id": id.to_string(), "line": "kitchen", "direction": "outgoing", "remote": "600",
            "remote_name": null, "dialed": "600", "started_ms": 0, "answered_ms": null, "ended_ms": 0,
            "duration_s": 0.0, "cause": "busy", "sip_status": 486, "codec": null, "sent_packets": 0,
            "received_packets": 0, "lost_packets": 0, "late_packets": 0, "jitter_ms": 0.0, "buffer_ms": 0.0,
            "round_trip_ms": null, "remote_loss_percent": null, "mos": null
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_line_cut_short_loses_itself_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let mut file = HistoryFile::new(path.clone(), VecDeque::new());
        file.add(record(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..20]].concat()).unwrap();
        file.add(record(2)).unwrap();
        let ids: Vec<String> = read(directory.path())
            .into_iter()
            .map(|record| record.id)
            .collect();
        assert_eq!(ids, ["1", "2"]);
    }

    #[test]
    fn the_file_stays_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let mut file = HistoryFile::new(path.clone(), VecDeque::new());
        for id in 0..=LINES_MAX {
            file.add(record(id)).unwrap();
        }
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert_eq!(lines, RECORDS_MAX);
        let records = read(directory.path());
        assert_eq!(records.last().unwrap().id, LINES_MAX.to_string());
    }

    #[test]
    fn a_directory_that_is_not_there_costs_the_file_only() {
        let mut history = History::open(Some(Path::new("/proc/nowhere")));
        history.add(record(7));
        assert_eq!(history.find("7").unwrap().remote, "600");
    }
}
