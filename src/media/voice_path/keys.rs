//! Keys of the telephone on their way to the far end: heard by the detector or asked for by the gateway, and sent as
//! telephone-events (RFC 4733) or in band.

use super::{EVENTS_MAX, VoicePath};
use crate::dsp::dtmf::{Detector, DtmfReport};
use crate::dsp::{FRAME, Key};
use crate::line::DtmfEdge;
use crate::media::session::Session;
use crate::media::{DtmfRelay, VoiceEvent};

impl VoicePath {
    pub(super) fn hook(&mut self, off_hook: bool) {
        if self.off_hook && !off_hook {
            let mut edges = Edges::default();
            self.detector.finish(&mut |report| edges.push(report));
            self.keys(&edges);
            self.events_out.all_up();
        }
        if !self.off_hook && off_hook {
            self.detector = Detector::new();
        }
        self.off_hook = off_hook;
    }

    /// The detector hears a frame.
    pub(super) fn listen(&mut self, from_line: &[i16; FRAME]) {
        let mut edges = Edges::default();
        self.detector.process(from_line, &mut |report| edges.push(report));
        self.keys(&edges);
    }

    fn keys(&mut self, edges: &Edges) {
        let relays_events = self.session.as_ref().is_some_and(Session::relays_events);
        for edge in edges.found.iter().flatten() {
            match edge {
                DtmfEdge::Down(key) if relays_events => self.events_out.key_down(*key),
                DtmfEdge::Up { key, .. } => self.events_out.key_up(*key),
                DtmfEdge::Down(_) => {}
            }
            self.report(VoiceEvent::Dtmf(*edge));
        }
    }

    pub(super) fn send_key(&mut self, key: Key, duration_ms: u16) {
        let Some(params) = self.session.as_ref().map(Session::params) else {
            return;
        };
        match params.dtmf_relay {
            DtmfRelay::Rfc4733 if params.telephone_event.is_some() => self.events_out.send(key, duration_ms),
            DtmfRelay::Rfc4733 | DtmfRelay::Inband => {
                if self.keys_in_band.len() < EVENTS_MAX {
                    self.keys_in_band.push_back((key, duration_ms));
                }
            }
            // The gateway sends the INFO.
            DtmfRelay::Info => {}
        }
    }

    pub(super) fn forget_keys(&mut self) {
        self.events_in.reset();
        self.event_tone.stop();
        self.event_sounding = None;
        self.events_out.reset();
        self.keys_in_band.clear();
        self.key_in_band.stop();
    }
}

/// What the detector finds in one frame: an end and a beginning at most, as both take longer than a frame.
#[derive(Default)]
struct Edges {
    found: [Option<DtmfEdge>; 4],
}

impl Edges {
    fn push(&mut self, report: DtmfReport) {
        let edge = match report {
            DtmfReport::Down { key, .. } => DtmfEdge::Down(key),
            DtmfReport::Up {
                key,
                start_sample,
                end_sample,
                ..
            } => DtmfEdge::Up {
                key,
                duration_ms: (end_sample.saturating_sub(start_sample) / 8) as u32,
            },
        };
        if let Some(place) = self.found.iter_mut().find(|place| place.is_none()) {
            *place = Some(edge);
        }
    }
}
