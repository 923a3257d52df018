//! A GPIO module between a telephone and the gateway: the real driver on a behavioural model of the module.

use std::time::Instant;

use tipring::line::SlicAction;
use tipring_hw::gpio_module::{Config, GpioModule, Kind, RingFrequency};
use tipring_hw::model::{ModuleModel, Sheet};
use tipring_hw::{Slic, SlicEvent};

/// Driver and model.
pub struct Module {
    driver: Box<dyn Slic>,
    pub model: ModuleModel,
}

impl Module {
    pub fn new(ring: RingFrequency, now: Instant) -> Self {
        let model = ModuleModel::new(Sheet::default(), now, 7);
        let config = Config::new(Kind::Ag1171, ring);
        let driver =
            GpioModule::new(config, model.pins(), now, model.hook_detector()).expect("the model's pins work");
        Self {
            driver: Box::new(driver),
            model,
        }
    }

    /// The receiver moves: the model makes the contacts bounce.
    pub fn receiver(&mut self, at: Instant, lifted: bool) {
        if lifted {
            self.model.lift(at);
        } else {
            self.model.put_down(at);
        }
    }

    pub fn act(&mut self, now: Instant, action: SlicAction) {
        let done = match action {
            SlicAction::Ring(on) => self.driver.set_ringing(now, on),
            SlicAction::Reverse(reversed) => self.driver.set_reversed(now, reversed),
            SlicAction::Feed(fed) => self.driver.set_feed(now, fed),
            SlicAction::OnHookTransmission(open) => self.driver.set_on_hook_transmission(now, open),
        };
        done.expect("the model's pins work");
    }

    /// Moves model and driver to `now`; returns the hook's edges.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<(Instant, bool)> {
        self.model.handle_timeout(now);
        while let Some((at, level)) = self.model.poll_edge() {
            self.driver.handle_edge(at, level);
        }
        self.driver.handle_timeout(now).expect("the model's pins work");
        let mut edges = Vec::new();
        while let Some(SlicEvent::Hook { closed, at }) = self.driver.poll_event() {
            edges.push((at, closed));
        }
        edges
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.driver
            .poll_timeout()
            .into_iter()
            .chain(self.model.poll_timeout())
            .min()
    }
}
