//! The name of this device that registrars know it by (`+sip.instance`, RFC 5626 4.1): the same for ever, whatever its
//! address.

use std::path::Path;

use sha2::{Digest, Sha256};

/// The file in the state directory.
const FILE: &str = "instance";

/// systemd's name of the machine (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// The URN: kept in the state directory, made of the machine's identity where there is none yet, and of `random` where
/// the machine has none.
pub fn instance(state_directory: Option<&Path>, random: [u8; 16]) -> String {
    made_of(state_directory, Path::new(MACHINE_ID), random)
}

fn made_of(state_directory: Option<&Path>, machine_id: &Path, random: [u8; 16]) -> String {
    let file = state_directory.map(|directory| directory.join(FILE));
    let kept = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    if let Some(kept) = kept
        .map(|text| text.trim().to_owned())
        .filter(|text| is_urn(text))
    {
        return kept;
    }
    let bytes = std::fs::read(machine_id)
        .ok()
        .filter(|id| !id.trim_ascii().is_empty());
    let of_machine = bytes.is_some();
    let bytes = bytes.map_or(random, |id| {
        // machine-id(5) asks not to show the identity itself.
        let mut hash = Sha256::new();
        hash.update(b"tipring sip.instance ");
        hash.update(id.trim_ascii());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        bytes
    });
    let urn = urn(bytes);
    if let Some(file) = file
        && let Err(error) = std::fs::write(&file, format!("{urn}\n"))
        && !of_machine
    {
        // What is made of the machine's identity comes out the same next time without a file.
        tracing::warn!(%error, "cannot keep {}: registrars may take this device for another one", file.display());
    }
    urn
}

/// Version 8 of RFC 9562: of our own making.
fn urn(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn is_urn(text: &str) -> bool {
    text.strip_prefix("urn:uuid:").is_some_and(|uuid| {
        uuid.len() == 36 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let machine_id = directory.path().join("machine-id");
        let state = Some(directory.path());
        let first = made_of(state, &machine_id, [7; 16]);
        assert!(is_urn(&first), "{first}");
        assert_eq!(made_of(state, &machine_id, [8; 16]), first, "from its file");
        std::fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(made_of(state, &machine_id, [9; 16]), first);
        let of_machine = made_of(None, &machine_id, [1; 16]);
        assert_eq!(
            made_of(None, &machine_id, [2; 16]),
            of_machine,
            "from the machine"
        );
        assert_ne!(of_machine, first);
        assert!(!of_machine.contains("0123456789abcdef"));
        std::fs::write(directory.path().join(FILE), "rubbish\"><evil").unwrap();
        assert_eq!(made_of(state, &machine_id, [3; 16]), of_machine);
    }
}
