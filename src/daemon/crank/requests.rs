//! What people and programs ask of the running daemon: how things stand, the calls there were, a new configuration.

use std::time::Instant;

use serde_json::Value;

use super::{Crank, rtp_ports, voices};
use crate::daemon::DaemonError;
use crate::daemon::control::{Reply, Request};
use crate::daemon::nat::NatLookup;
use crate::daemon::service;
use crate::gateway::{Input, LineName, Status};

impl Crank {
    /// How everything stands, with what only the daemon sees.
    fn status(&self) -> Status {
        let mut status = self.gateway.status(Instant::now());
        for line in &mut status.lines {
            let name = LineName(line.name.as_str().into());
            line.xruns = self.xruns.get(&name).copied().unwrap_or_default();
        }
        status
    }

    pub(super) fn answer(&mut self, request: Request) -> Reply {
        match request {
            Request::Status => Reply::ok(&self.status()),
            // Subscriptions are the control socket's own affair.
            Request::Events => Reply::Ok(Value::Null),
            Request::Reload => match self.reload() {
                Ok(()) => Reply::Ok(Value::Null),
                Err(error) => Reply::Error(error.to_string()),
            },
            Request::Calls => Reply::ok(self.history.records()),
            Request::Call { id } => match self.history.find(&id) {
                Some(record) => Reply::ok(record),
                None => Reply::Error(format!(
                    "there is no call {id}; `tipring calls` lists those there are"
                )),
            },
            Request::Socket { line } => match self.lines.socket(&line) {
                Some((name, socket)) => Reply::ok(&serde_json::json!({
                    "socket": socket, "country": self.setup.country(name), "flash_ms": self.setup.recall_ms(name),
                })),
                None => Reply::Error(format!(
                    "there is no virtual line {line}; `tipring status` lists the lines"
                )),
            },
            Request::ConfigFile => Reply::ok(&self.config_file),
        }
    }

    /// All of the new configuration, or none.
    pub(super) fn reload(&mut self) -> Result<(), DaemonError> {
        service::reloading();
        let result = self.apply_again();
        service::ready();
        result
    }

    fn apply_again(&mut self) -> Result<(), DaemonError> {
        let mut setup = (self.reread)()?;
        if setup.sip_bind != self.setup.sip_bind || setup.transports != self.setup.transports {
            tracing::warn!("sip.bind or sip.transports has changed: that takes effect at the next start");
            setup.sip_bind = self.setup.sip_bind;
        }
        setup.transports.clone_from(&self.setup.transports);
        self.net.configure(&setup.net)?;
        setup.gateway.instance.clone_from(&self.setup.gateway.instance);
        setup.bound_to(&self.net);
        self.lines.apply(&setup.lines, &mut self.audio, voices(&setup)?)?;
        self.ports = rtp_ports(&setup, &self.net)?;
        self.nat = NatLookup::start(setup.nat.clone(), self.net.bound(), self.inbound.clone());
        self.setup = setup;
        self.feed(Input::Configure(Box::new(self.setup.gateway.clone())));
        self.feed_faults();
        tracing::info!("the new configuration is in force");
        Ok(())
    }
}
