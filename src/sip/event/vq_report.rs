//! `application/vq-rtcpxr` (RFC 6035): how a call sounded, as its session's figures have it.

use std::fmt::Write;

/// What is reported of a call that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceQuality {
    /// Call-ID of the dialog.
    pub call_id: String,
    /// Our address of record.
    pub local: String,
    /// The other side's.
    pub remote: String,
    /// We called.
    pub initiator: bool,
    /// Our RTP address and port.
    pub local_address: Option<(std::net::IpAddr, u16)>,
    /// The other side's.
    pub remote_address: Option<(std::net::IpAddr, u16)>,
    /// Encoding name and payload type.
    pub codec: Option<(String, u8)>,
    /// Start and end, seconds since 1970-01-01 UTC.
    pub start_s: i64,
    /// End.
    pub end_s: i64,
    /// Packets that were expected, and of these never came or came too late.
    pub expected_packets: u32,
    /// Lost in the network.
    pub lost_packets: u32,
    /// Discarded by the jitter buffer.
    pub late_packets: u32,
    /// Interarrival jitter.
    pub jitter_ms: f32,
    /// Mean delay in the jitter buffer.
    pub buffer_ms: f32,
    /// Round trip by RTCP.
    pub round_trip_ms: Option<f32>,
    /// Mouth to ear, one way.
    pub delay_ms: Option<f32>,
    /// Listening quality, 1.0 to 5.0.
    pub mos: Option<f32>,
}

/// The report of a session (RFC 6035 4.6.1).
pub fn session_report(quality: &VoiceQuality) -> String {
    let mut body = String::from("VQSessionReport: CallTerm\r\n");
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = body.write_fmt(text);
        body.push_str("\r\n");
    };
    line(format_args!("CallID: {}", quality.call_id));
    line(format_args!("LocalID: <{}>", quality.local));
    line(format_args!("RemoteID: <{}>", quality.remote));
    let caller = if quality.initiator {
        &quality.local
    } else {
        &quality.remote
    };
    line(format_args!("OrigID: <{caller}>"));
    for (name, address) in [
        ("LocalAddr", quality.local_address),
        ("RemoteAddr", quality.remote_address),
    ] {
        if let Some((ip, port)) = address {
            line(format_args!("{name}: IP={ip} PORT={port}"));
        }
    }
    line(format_args!("LocalMetrics:"));
    line(format_args!(
        "Timestamps: START={} STOP={}",
        timestamp(quality.start_s),
        timestamp(quality.end_s)
    ));
    if let Some((codec, payload_type)) = &quality.codec {
        line(format_args!("SessionDesc: PT={payload_type} PD={codec} SR=8000"));
    }
    line(format_args!("JitterBuffer: JBA=3 JBN={:.0}", quality.buffer_ms));
    line(format_args!(
        "PacketLoss: NLR={:.1} JDR={:.1}",
        percent(quality.lost_packets, quality.expected_packets),
        percent(quality.late_packets, quality.expected_packets)
    ));
    let mut delay = Vec::new();
    if let Some(round_trip_ms) = quality.round_trip_ms {
        delay.push(format!("RTD={round_trip_ms:.0}"));
    }
    if let Some(delay_ms) = quality.delay_ms {
        delay.push(format!("OWD={delay_ms:.0}"));
    }
    delay.push(format!("IAJ={:.0}", quality.jitter_ms));
    line(format_args!("Delay: {}", delay.join(" ")));
    if let Some(mos) = quality.mos {
        line(format_args!("QualityEst: MOSCQ={mos:.1}"));
    }
    body
}

fn percent(part: u32, whole: u32) -> f32 {
    if whole == 0 {
        return 0.0;
    }
    100.0 * part as f32 / whole as f32
}

/// RFC 3339 in UTC, without fractions.
fn timestamp(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    // Days to civil date: the era of 400 years that begins on 1 March 0000.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_civil_calendar() {
        for (unix_s, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_435_200, "2026-11-23T12:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(unix_s), expected);
        }
    }

    #[test]
    fn a_whole_report() {
        let quality = VoiceQuality {
            call_id: "1890463548@alice.example.org".into(),
            local: "sip:alice@example.org".into(),
            remote: "sip:bill@example.net".into(),
            initiator: true,
            local_address: Some(("192.0.2.1".parse().unwrap(), 16_384)),
            remote_address: Some(("192.0.2.2".parse().unwrap(), 20_000)),
            codec: Some(("PCMA".into(), 8)),
            start_s: 1_795_435_200,
            end_s: 1_795_435_260,
            expected_packets: 3000,
            lost_packets: 30,
            late_packets: 3,
            jitter_ms: 4.4,
            buffer_ms: 38.0,
            round_trip_ms: Some(61.0),
            delay_ms: Some(92.0),
            mos: Some(4.1),
        };
        let expected = "VQSessionReport: CallTerm\r\nCallID: 1890463548@alice.example.org\r\n\
            LocalID: <sip:alice@example.org>\r\nRemoteID: <sip:bill@example.net>\r\nOrigID: <sip:alice@example.org>\r\n\
            LocalAddr: IP=192.0.2.1 PORT=16384\r\nRemoteAddr: IP=192.0.2.2 PORT=20000\r\nLocalMetrics:\r\n\
            Timestamps: START=2026-11-23T12:00:00Z STOP=2026-11-23T12:01:00Z\r\n\
            SessionDesc: PT=8 PD=PCMA SR=8000\r\nJitterBuffer: JBA=3 JBN=38\r\nPacketLoss: NLR=1.0 JDR=0.1\r\n\
            Delay: RTD=61 OWD=92 IAJ=4\r\nQualityEst: MOSCQ=4.1\r\n";
        assert_eq!(session_report(&quality), expected);
        let silent = VoiceQuality {
            codec: None,
            mos: None,
            round_trip_ms: None,
            delay_ms: None,
            expected_packets: 0,
            lost_packets: 0,
            late_packets: 0,
            ..quality
        };
        let report = session_report(&silent);
        assert!(report.contains("PacketLoss: NLR=0.0 JDR=0.0\r\nDelay: IAJ=4\r\n"));
        assert!(!report.contains("QualityEst"));
    }
}
