//! What reaches the loop: datagrams, connections, telephones, requests, and the reports of audio thread and line
//! hardware; each becomes an input of the gateway or a change of the lines.

use std::time::Instant;

use super::Crank;
use crate::daemon::audio::{Command, LineId, Report};
use crate::daemon::hardware::SlicReport;
use crate::daemon::inbound::Inbound;
use crate::gateway::Input;
use crate::sip::ua::UaInput;

/// Reports of the audio thread worked off before everything else has its turn.
const REPORTS_AT_ONCE: usize = 256;

/// Datagrams that aren't media worked off before everything else has its turn.
const STRAYS_AT_ONCE: usize = 32;

impl Crank {
    pub(super) fn take(&mut self, arrival: Inbound) {
        match arrival {
            Inbound::Gateway(input) => self.feed(*input),
            Inbound::Datagram { remote, bytes } if !self.gateway.hears(remote, &bytes) => {
                self.strangers.turn_away(Instant::now(), remote);
            }
            Inbound::Datagram { remote, bytes } => match self.net.local_towards(Instant::now(), remote) {
                Ok(local) => self.feed(Input::Sip(UaInput::Datagram { local, remote, bytes })),
                Err(error) => tracing::debug!(%remote, %error, "a datagram from where no route leads back"),
            },
            // Dropped, the connection is closed.
            Inbound::Accepted { remote, .. } if !self.gateway.takes_connection(remote) => {
                self.strangers.turn_away(Instant::now(), remote);
            }
            Inbound::Accepted {
                stream,
                transport,
                remote,
            } => self.net.accepted(stream, transport, remote),
            Inbound::Closed {
                transport,
                remote,
                domain,
                serial,
                reason,
            } => {
                if self.net.closed(transport, remote, domain.as_ref(), serial) {
                    self.feed(Input::Sip(UaInput::TransportFailed {
                        transport,
                        remote,
                        domain,
                        reason,
                    }));
                }
            }
            Inbound::NetworkChanged { returned } => {
                self.net.forget_routes();
                self.feed(Input::Sip(UaInput::NetworkChanged { returned }));
            }
            Inbound::Resolved { query, result } => {
                self.feed(Input::Sip(UaInput::Resolved { query, result }));
            }
            Inbound::Telephone { line, stream } => {
                if let (Some(line), Ok(stream)) = (self.lines.id(&line), stream.into_std()) {
                    self.audio.command(Command::Plug { line, stream });
                }
            }
            Inbound::Slic { line, report } => self.take_slic_report(line, report),
            Inbound::Control { request, reply } => {
                // A program that didn't wait for its answer doesn't want it.
                let _ = reply.send(self.answer(request));
            }
        }
    }

    pub(super) fn take_reports(&mut self) {
        for _ in 0..REPORTS_AT_ONCE {
            let Some(report) = self.audio.report() else { return };
            self.take_report(report);
        }
    }

    /// Datagrams of media sockets that aren't media.
    pub(super) fn take_strays(&mut self) {
        for _ in 0..STRAYS_AT_ONCE {
            let Some(stray) = self.audio.stray() else { return };
            self.feed(Input::MediaDatagram {
                session: stray.session,
                socket: stray.socket,
                remote: stray.from,
                relayed: stray.relayed,
                bytes: stray.bytes().to_vec(),
            });
        }
    }

    fn take_report(&mut self, report: Report) {
        let (Report::Hook { line, .. }
        | Report::Voice { line, .. }
        | Report::Plugged(line)
        | Report::Refused(line)
        | Report::Unplugged { line, .. }
        | Report::CardStarted(line)
        | Report::CardLost { line, .. }
        | Report::Xrun { line, .. }) = report;
        let id = line;
        let Some(line) = self.lines.name(id).cloned() else {
            return;
        };
        match report {
            Report::Hook { closed, at, .. } => self.feed(Input::Hook { line, closed, at }),
            Report::Voice { event, .. } => self.feed(Input::Voice { line, event }),
            Report::Plugged(_) => tracing::info!(%line, "a telephone is plugged in"),
            Report::Refused(_) => tracing::warn!(%line, "a second telephone is refused"),
            Report::Unplugged { reason, .. } => tracing::info!(%line, "the telephone is unplugged: {reason}"),
            Report::CardStarted(_) => {
                tracing::info!(%line, "the sound card runs");
                self.lines.card_started(id, &mut self.audio);
                self.feed_faults();
            }
            Report::CardLost { reason, .. } => {
                self.lines
                    .fail(id, &format!("sound card: {reason}"), &mut self.audio);
                self.feed_faults();
            }
            Report::Xrun { count, .. } => {
                tracing::warn!(%line, count, "the sound card's streams were interrupted");
                *self.xruns.entry(line).or_default() += u64::from(count);
            }
        }
    }

    fn take_slic_report(&mut self, id: LineId, report: SlicReport) {
        match report {
            SlicReport::Hook { closed, at } => {
                if let Some(line) = self.lines.name(id).cloned() {
                    self.feed(Input::Hook { line, closed, at });
                }
            }
            SlicReport::Fault(reason) => {
                self.lines.fail(id, &reason, &mut self.audio);
                self.feed_faults();
            }
        }
    }
}
