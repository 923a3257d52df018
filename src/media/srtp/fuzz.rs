//! Bodies of the fuzz targets.

use super::{EXPANSION_BYTES_MAX, Inbound, MasterKey, Outbound, Suite};

/// Any bytes, opened as RTP and as RTCP under every suite: nothing may panic, nothing that we haven't protected may
/// pass, and what we have comes back.
pub fn packet(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return;
    };
    let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
    let Some(master) = MasterKey::new(suite, &[choice; 46][..suite.material_bytes()]) else {
        return;
    };
    let mut inbound = Inbound::new(&master, choice >> 4);
    for rtcp in [false, true] {
        let mut packet = bytes.to_vec();
        let opened = if rtcp {
            inbound.unprotect_rtcp(&mut packet)
        } else {
            inbound.unprotect_rtp(&mut packet)
        };
        assert!(opened.is_err(), "{suite:?}: a forgery passed");
        assert_eq!(packet, bytes, "a refused packet was changed");
    }
    let (mut outbound, mut inbound) = (Outbound::new(&master), Inbound::new(&master, 0));
    for rtcp in [false, true] {
        let mut packet = [bytes, &[0; EXPANSION_BYTES_MAX]].concat();
        let sealed = if rtcp {
            outbound.protect_rtcp(&mut packet, bytes.len())
        } else {
            outbound.protect_rtp(&mut packet, bytes.len())
        };
        let Ok(length) = sealed else { continue };
        let opened = if rtcp {
            inbound.unprotect_rtcp(&mut packet[..length])
        } else {
            inbound.unprotect_rtp(&mut packet[..length])
        };
        assert_eq!(opened, Ok(bytes.len()), "{suite:?}");
        assert_eq!(&packet[..bytes.len()], bytes, "{suite:?}");
    }
}
