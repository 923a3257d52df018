//! A telephone calls somebody behind Asterisk.

use crate::peers::Asterisk;
use crate::sound;
use crate::tipring::{Account, Tipring};

/// Tones of Ukraine are of this frequency, all of them.
const TONE_HZ: f32 = 425.0;

/// A registered telephone, its handset lifted and dial tone heard.
fn lifted(asterisk: &Asterisk) -> (Tipring, crate::telephone::Telephone) {
    let tipring = Tipring::registered(&Account::line_one(asterisk.uri()));
    let telephone = tipring.telephone();
    telephone.lift();
    telephone.wait_tone(TONE_HZ, 2);
    (tipring, telephone)
}

#[test]
fn speech_comes_back_from_the_echo_as_it_was_said() {
    let Some(asterisk) = Asterisk::start() else { return };
    let (tipring, telephone) = lifted(&asterisk);
    telephone.press("600");
    tipring.wait_line("talking", 5);
    telephone.wait_quiet(300, 3);

    let said = asterisk.speech();
    let mark = telephone.mark();
    telephone.say(said.clone());
    telephone.wait_silent();
    telephone.listen(500);
    let heard = telephone.heard_since(mark);
    let (offset, likeness) = sound::find(&said, &heard);
    println!("round trip {} ms, correlation {likeness:.4}", offset / 8);
    assert!(likeness > 0.98, "correlation {likeness}");
    if let Some(pesq) = sound::pesq(&said, &heard[offset..offset + said.len()], &tipring.folder()) {
        println!("PESQ {pesq:.2}");
        assert!(pesq >= 3.9, "PESQ {pesq}");
    }

    telephone.hang_up();
    tipring.wait_line("idle", 3);
    asterisk.wait_channels(0, 3);
    let calls = tipring.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
}
