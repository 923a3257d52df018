//! What a line publishes of itself (PUBLISH, RFC 3903), at Kamailio's presence server, as somebody who watches sees it.

use crate::lab::wait_until;
use crate::peers::{Kamailio, Sipp, Ways};
use crate::tipring::{Account, DIAL_TONE_HZ, Tipring};

#[test]
fn whoever_watches_a_line_is_told_of_its_calls() {
    let ways = Ways {
        features: &["WITH_PRESENCE"],
        ..Ways::default()
    };
    let (Some(kamailio), Some(sipp)) = (Kamailio::start(&ways), Sipp::installed()) else {
        return;
    };
    let mut watched = Tipring::registered(&Account {
        keys: "publish_presence: true",
        ..Account::line_one(kamailio.uri())
    });
    let other = Tipring::registered(&Account {
        username: "6002",
        password: "secret6002",
        ..Account::line_one(kamailio.uri())
    });
    let published = || {
        // With a call in it the document may be too long for UDP.
        let by = |transport| kamailio.requests("PUBLISH", "6001", transport);
        by("udp") + by("tcp")
    };
    // The first one is asked for a password.
    wait_until("presence is published", 10, || published() >= 2);
    let (caller, called) = (watched.telephone(), other.telephone());
    let watcher = sipp.call("watcher", kamailio.address());
    watcher.wait_traced("<basic>open", 10);
    caller.lift();
    caller.wait_tone(DIAL_TONE_HZ, 10);
    caller.press("6002");
    watcher.wait_traced("on-the-phone", 10);
    called.wait_ringing(10);
    called.lift();
    watched.wait_line("talking", 10);
    // Talking is what calling was: nothing new to tell.
    assert_eq!(published(), 3, "{}", kamailio.log());
    caller.hang_up();
    wait_until("the end of the call is published", 10, || published() == 4);
    watched.stop();
    watcher.succeeds();
    assert_eq!(published(), 5, "{}", kamailio.log());
}
