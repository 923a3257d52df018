//! The index of an RTP packet: its sequence number with the rollovers before it (RFC 3711 section 3.3.1).

/// The most probable index of a packet, given the highest one that has proved genuine.
pub fn estimate(newest: u64, sequence: u16) -> u64 {
    let (rollovers, highest) = (newest >> 16, newest as u16);
    // Appendix A's comparisons, as the signed distance that they amount to.
    let wrapped = if highest < 0x8000 {
        if i32::from(sequence) - i32::from(highest) > 0x8000 {
            rollovers.checked_sub(1)
        } else {
            Some(rollovers)
        }
    } else if i32::from(highest) - 0x8000 > i32::from(sequence) {
        Some(rollovers + 1)
    } else {
        Some(rollovers)
    };
    // Before the first packet of all there is none: such a number can only be far ahead.
    wrapped.unwrap_or(rollovers) << 16 | u64::from(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequence_numbers_wrap_both_ways() {
        assert_eq!(estimate(0x0_FFFF, 0), 0x1_0000);
        assert_eq!(estimate(0x1_0003, 0xFFFE), 0x0_FFFE);
        assert_eq!(estimate(0x7_8001, 0), 0x8_0000);
        assert_eq!(estimate(0x7_8000, 0), 0x7_0000);
        assert_eq!(estimate(0x0_0003, 0xFFFE), 0x0_FFFE, "there is no rollover -1");
    }

    proptest! {
        /// Whatever is less than half a cycle away is found.
        #[test]
        fn near_packets_get_their_own_index(newest in 0x1_0000..0xFFFF_FFFFu64, step in -0x7FFF..0x7FFFi64) {
            let index = newest.saturating_add_signed(step);
            prop_assert_eq!(estimate(newest, index as u16), index);
        }
    }
}
