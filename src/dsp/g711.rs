//! ITU-T G.711: A-law and µ-law, bit-exact.
//!
//! The conversions are those of `audio-codec-algorithms`, which agrees with the ITU-T Software Tool Library
//! (G.191) on all 65,536 inputs of both laws; the test below holds it to the Recommendation's decision values,
//! written out a second time.

use audio_codec_algorithms as algorithms;

pub use crate::zone::Law;

/// The A-law code of silence (+0).
pub const ALAW_SILENCE: u8 = 0xD5;

/// The µ-law code of silence (+0).
pub const ULAW_SILENCE: u8 = 0xFF;

/// The A-law code of a 16-bit sample.
#[inline]
pub fn encode_alaw(sample: i16) -> u8 {
    algorithms::encode_alaw(sample)
}

/// The 16-bit sample of an A-law code.
#[inline]
pub fn decode_alaw(code: u8) -> i16 {
    algorithms::decode_alaw(code)
}

/// The µ-law code of a 16-bit sample.
#[inline]
pub fn encode_ulaw(sample: i16) -> u8 {
    algorithms::encode_ulaw(sample)
}

/// The 16-bit sample of a µ-law code.
#[inline]
pub fn decode_ulaw(code: u8) -> i16 {
    algorithms::decode_ulaw(code)
}

/// The code of silence.
pub const fn silence(law: Law) -> u8 {
    match law {
        Law::A => ALAW_SILENCE,
        Law::Mu => ULAW_SILENCE,
    }
}

/// Encodes as many samples as both slices hold; how many that were.
pub fn encode(law: Law, samples: &[i16], codes: &mut [u8]) -> usize {
    let each = samples.iter().zip(codes.iter_mut());
    match law {
        Law::A => each.for_each(|(&sample, code)| *code = encode_alaw(sample)),
        Law::Mu => each.for_each(|(&sample, code)| *code = encode_ulaw(sample)),
    }
    samples.len().min(codes.len())
}

/// Decodes as many codes as both slices hold; how many that were.
pub fn decode(law: Law, codes: &[u8], samples: &mut [i16]) -> usize {
    let each = codes.iter().zip(samples.iter_mut());
    match law {
        Law::A => each.for_each(|(&code, sample)| *sample = decode_alaw(code)),
        Law::Mu => each.for_each(|(&code, sample)| *sample = decode_ulaw(code)),
    }
    codes.len().min(samples.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 table 1a/1b on the 13-bit uniform scale: segments of 16 steps, the first two of step 2, then
    /// doubling. A value on the negative side is one's complement (the decision value belongs to the
    /// interval nearer zero), which is where implementations differ.
    fn alaw_by_the_book(sample: i16) -> u8 {
        let negative = sample < 0;
        let magnitude = if negative { !sample } else { sample } as u32 >> 4; // 12 bits: 0..=2047
        let (segment, step) = (1..8)
            .rev()
            .find(|segment| magnitude >= 16 << (segment - 1))
            .map_or((0, magnitude), |segment| {
                (segment, (magnitude >> (segment - 1)) - 16)
            });
        let sign = if negative { 0 } else { 0x80 };
        (sign | (segment << 4) as u8 | step as u8) ^ 0x55
    }

    /// The middle of the interval of a code, on the 16-bit scale.
    fn alaw_value_by_the_book(code: u8) -> i16 {
        let code = code ^ 0x55;
        let (segment, step) = (u32::from(code >> 4 & 7), i32::from(code & 15));
        let half_steps = 2 * step + 1; // the middle, in half steps
        let magnitude = match segment {
            0 => half_steps << 3,
            _ => (half_steps + 32) << (segment + 2),
        };
        (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
    }

    /// G.711 table 2a/2b on the 14-bit uniform scale: the first 15 intervals of step 2 around an interval of 1
    /// at zero, each next segment doubled; ends at 8159.
    fn ulaw_by_the_book(sample: i16) -> u8 {
        let negative = sample < 0;
        let magnitude = (if negative { !sample } else { sample } >> 2) as i32;
        let biased = magnitude.min(8158) + 33; // 33..=8191: the leading bit tells the segment
        let segment = 31 - biased.leading_zeros() as i32 - 5;
        let step = (biased >> (segment + 1)) & 15;
        let sign = if negative { 0 } else { 0x80 };
        sign | !((segment << 4) | step) as u8 & 0x7F
    }

    fn ulaw_value_by_the_book(code: u8) -> i16 {
        let code = !code;
        let (segment, step) = (u32::from(code >> 4 & 7), i32::from(code & 15));
        let magnitude = (((2 * step + 33) << segment) - 33) << 2;
        (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
    }

    #[test]
    fn every_sample_has_the_code_of_the_recommendation() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(encode_alaw(sample), alaw_by_the_book(sample), "A-law of {sample}");
            assert_eq!(encode_ulaw(sample), ulaw_by_the_book(sample), "µ-law of {sample}");
        }
    }

    #[test]
    fn every_code_has_the_value_of_the_recommendation_and_comes_back() {
        for code in 0..=255 {
            assert_eq!(
                decode_alaw(code),
                alaw_value_by_the_book(code),
                "A-law {code:#04x}"
            );
            assert_eq!(
                decode_ulaw(code),
                ulaw_value_by_the_book(code),
                "µ-law {code:#04x}"
            );
            assert_eq!(encode_alaw(decode_alaw(code)), code);
            // 0x7F is µ-law's negative zero: its value 0 is encoded as the positive one.
            let back = if code == 0x7F { 0xFF } else { code };
            assert_eq!(encode_ulaw(decode_ulaw(code)), back);
        }
    }

    #[test]
    fn the_digital_milliwatt_decodes_to_its_published_values() {
        // G.711 tables 5 and 6.
        let alaw = [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4].map(decode_alaw);
        assert_eq!(alaw, [-8960, -20992, -20992, -8960, 8960, 20992, 20992, 8960]);
        let ulaw = [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E].map(decode_ulaw);
        assert_eq!(ulaw, [-8828, -20860, -20860, -8828, 8828, 20860, 20860, 8828]);
    }

    #[test]
    fn all_conversions_are_those_of_the_itu_software_tool_library() {
        // FNV-1a over the 65,536 codes of i16::MIN..=i16::MAX, and over the 256 values in little endian: the
        // same sums come from the reference conversions of ITU-T G.191.
        let fnv = |bytes: &mut dyn Iterator<Item = u8>| {
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let samples = || i16::MIN..=i16::MAX;
        assert_eq!(fnv(&mut samples().map(encode_alaw)), 0xf030_666e_b780_cf25);
        assert_eq!(fnv(&mut samples().map(encode_ulaw)), 0x04ec_1f08_3fd7_8c2d);
        assert_eq!(
            fnv(&mut (0..=255).flat_map(|code| decode_alaw(code).to_le_bytes())),
            0x693a_40ca_62a3_d2a5
        );
        assert_eq!(
            fnv(&mut (0..=255).flat_map(|code| decode_ulaw(code).to_le_bytes())),
            0xb91e_65d6_8481_a1a8
        );
    }

    #[test]
    fn slices_stop_at_the_shorter_one() {
        let mut codes = [0; 2];
        assert_eq!(encode(Law::A, &[0, 0, 0], &mut codes), 2);
        assert_eq!(codes, [silence(Law::A); 2]);
        let mut samples = [1; 3];
        assert_eq!(decode(Law::Mu, &[silence(Law::Mu); 2], &mut samples), 2);
        assert_eq!(samples, [0, 0, 1]);
    }
}
