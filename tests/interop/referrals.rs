//! Transfers with nothing but a proxy between: REFER, its NOTIFYs and Replaces are the business of the telephones, one of
//! which is pjsua's.

use crate::lab::wait_until;
use crate::peers::{Kamailio, Pjsua, Ways};
use crate::sound;
use crate::telephone::Telephone;
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

/// What pjsua says.
const PJSUA_HZ: f32 = 1200.0;

/// The proxy, 6001 and 6003, which are ours, and 6002, which is pjsua.
struct Three {
    _kamailio: Kamailio,
    registrar: String,
    one: (Tipring, Telephone),
    pjsua: Pjsua,
    third: (Tipring, Telephone),
}

fn three() -> Option<Three> {
    let kamailio = Kamailio::start(&Ways::default())?;
    let [one, third] = [("6001", "secret6001"), ("6003", "secret6003")].map(|(username, password)| {
        let tipring = Tipring::registered(&Account {
            username,
            password,
            ..Account::line_one(kamailio.uri())
        });
        let telephone = tipring.telephone();
        telephone.wait_quiet(50, 5);
        (tipring, telephone)
    });
    let pjsua = Pjsua::registered_at(kamailio.address(), "6002")?;
    Some(Three {
        registrar: kamailio.uri(),
        _kamailio: kamailio,
        one,
        pjsua,
        third,
    })
}

impl Three {
    /// 6001 talks to pjsua.
    fn talking(&mut self) {
        let (tipring, telephone) = &self.one;
        telephone.lift();
        telephone.wait_tone(DIAL_TONE_HZ, 10);
        telephone.press("6002");
        self.pjsua.wait_told("incoming", 15);
        self.pjsua.answer();
        tipring.wait_line("talking", 10);
        self.pjsua.wait_told("state CONFIRMED 200", 10);
        self.pjsua.forget();
    }

    /// 6001 has pjsua on hold, and dial tone.
    fn holding(&mut self) {
        self.talking();
        let (tipring, telephone) = &self.one;
        telephone.flash(100);
        tipring.wait_line("held", 10);
        telephone.wait_tone(DIAL_TONE_HZ, 10);
    }

    /// pjsua and 6003 talk, and 6001 is out of it.
    fn assert_put_through(&mut self) {
        let (tipring, telephone) = &self.third;
        tipring.wait_line("talking", 15);
        self.pjsua.wait_told("state CONFIRMED 200", 15);
        telephone.wait_quiet(200, 10);
        self.pjsua.say(&sound::sine(PJSUA_HZ, 20_000));
        telephone.wait_tone(PJSUA_HZ, 15);
        telephone.hang_up();
        self.pjsua.wait_told("state DISCONNECTED 200", 10);
        tipring.wait_line("idle", 10);
    }
}

fn causes(tipring: &Tipring) -> Vec<String> {
    let calls = tipring.calls();
    calls.iter().map(|call| call["cause"].to_string()).collect()
}

#[test]
fn a_telephone_of_pjsua_is_sent_to_a_number() {
    let Some(mut three) = three() else { return };
    three.holding();
    three.one.1.press("*98");
    three.one.1.wait_tone(DIAL_TONE_HZ, 10);
    three.one.1.press("6003");
    three.third.1.wait_ringing(15);
    three.third.1.lift();
    wait_until("the transfer is told to have worked", 15, || {
        causes(&three.one.0) == [r#""transferred""#]
    });
    three.assert_put_through();
}

#[test]
fn a_telephone_of_pjsua_is_put_through_by_hanging_up() {
    let Some(mut three) = three() else { return };
    three.holding();
    three.one.1.press("6003");
    three.third.1.wait_ringing(15);
    three.third.1.lift();
    three.one.0.wait_line("talking", 10);
    three.one.1.hang_up();
    wait_until("both calls end by the transfer", 15, || {
        causes(&three.one.0) == [r#""transferred""#, r#""transferred""#]
    });
    assert_eq!(causes(&three.third.0), [r#""replaced""#]);
    three.assert_put_through();
}

#[test]
fn a_telephone_of_pjsua_sends_us_to_a_number() {
    let Some(mut three) = three() else { return };
    three.talking();
    let target = three.registrar.replace("sip:", "sip:6003@");
    three.pjsua.transfer(&target);
    three.third.1.wait_ringing(15);
    three.third.1.lift();
    three.third.0.wait_line("talking", 10);
    three.pjsua.wait_told("transfer 200", 10);
    three.pjsua.hang_up();
    for (speaker, listener) in [(&three.one, &three.third), (&three.third, &three.one)] {
        listener.1.wait_quiet(200, 10);
        speaker.1.reach(&listener.1, 800.0, 15);
    }
    three.third.1.hang_up();
    three.one.0.wait_line("busy_tone", 10);
    assert_eq!(causes(&three.one.0).len(), 2);
}
