//! Push-button tones (ITU-T Q.23, Q.24): making them and hearing them.

mod bands;
#[cfg(test)]
mod battery;
mod detector;
mod generator;
mod group;

pub use detector::{Detector, DtmfReport};
pub use generator::Generator;

use super::Key;

/// The low group (rows), Hz (ITU-T Q.23).
pub const LOW_GROUP_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];

/// The high group (columns), Hz (ITU-T Q.23).
pub const HIGH_GROUP_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The keypad of ITU-T Q.23, by row and column.
const KEYPAD: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// The two frequencies of a key: low group, high group.
pub fn frequencies_hz(key: Key) -> (f32, f32) {
    let (row, column) = position(key);
    (LOW_GROUP_HZ[row], HIGH_GROUP_HZ[column])
}

/// Row and column of a key.
fn position(key: Key) -> (usize, usize) {
    let character = key.as_char();
    let at = KEYPAD
        .iter()
        .flatten()
        .position(|&on_pad| on_pad == character)
        .unwrap_or(0);
    (at / 4, at % 4)
}

/// The key at a row and column, both 0 to 3.
fn key_at(row: usize, column: usize) -> Option<Key> {
    Key::from_char(*KEYPAD.get(row)?.get(column)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_own_pair() {
        for key in Key::ALL {
            let (row, column) = position(key);
            assert_eq!(key_at(row, column), Some(key));
        }
        assert_eq!(frequencies_hz(Key::from_char('5').unwrap()), (770.0, 1336.0));
        assert_eq!(frequencies_hz(Key::from_char('#').unwrap()), (941.0, 1477.0));
    }
}
