//! A call with ICE through its later descriptions.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::services::Services;
use crate::call::{
    CallConfig, CallInput, CallOutput, IcePolicy, LineCalls, Nat, Placement, RefusalTones, SessionId,
    SipEvent,
};
use crate::dial::{DialPlan, Hotline, Timers};
use crate::line::LineEvent;
use crate::media::ice::Credentials;
use crate::media::traversal::{Ends, Gathered, Settled};
use crate::media::{Codec, DtmfRelay};
use crate::sip::sdp::{SrtpPolicy, ice_credentials};
use crate::sip::ua::{AccountName, CallId, UaCommand, Via};

const CALL: CallId = CallId(1);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn config() -> CallConfig {
    CallConfig {
        dial_plan: Arc::new(DialPlan::default()),
        emergency_numbers: Arc::new([]),
        hotline: Some(Hotline {
            number: "100".to_owned(),
            delay: Duration::ZERO,
        }),
        timers: Timers::default(),
        codecs: vec![Codec::Pcma],
        dtmf: DtmfRelay::Rfc4733,
        packet_time_ms: 20,
        ring_timeout_s: 60,
        rtp_timeout_s: 30,
        rtp_timeout_ends_call: true,
        disconnect_open_ms: 500,
        answer_reversal: false,
        emergency_hold_s: 0,
        nat: Nat {
            ice: IcePolicy::Offer,
            external_address: None,
        },
        srtp: SrtpPolicy::Off,
        services: Services::default(),
        refusal_tones: RefusalTones::default(),
    }
}

fn gathered(fragment: &str, outside: &str) -> Gathered {
    Gathered {
        mapped: [Some(address(outside)), None],
        credentials: Some(Credentials {
            username_fragment: fragment.to_owned(),
            password: "a password of 24 letters".to_owned(),
        }),
        ..Gathered::plain(16_384)
    }
}

/// What a peer at 192.0.2.7:4000 says, with these credentials.
fn peer(fragment: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 7 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n\
         a=rtcp-mux\r\na=ice-ufrag:{fragment}\r\na=ice-pwd:the password of the peer\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.7 4000 typ host\r\n"
    )
    .into_bytes()
}

/// A call of the kitchen's that the peer has answered.
struct Talk {
    calls: LineCalls,
    now: Instant,
    session: SessionId,
    offer: String,
}

impl Talk {
    fn new() -> Self {
        let now = crate::testing::epoch();
        let mut talk = Self {
            calls: LineCalls::new("kitchen", config(), [5; 32]),
            now,
            session: SessionId(0),
            offer: String::new(),
        };
        let dialled = talk.input(CallInput::Line(LineEvent::OffHook { at: now }));
        let opened = dialled.iter().find_map(|output| match output {
            CallOutput::OpenMedia { session, .. } => Some(*session),
            _ => None,
        });
        let session = opened.expect("sockets are asked for");
        talk.session = session;
        talk.input(CallInput::Placed(Placement {
            call: CALL,
            via: Via::Account(AccountName("office".into())),
            local_ip: [10, 0, 0, 2].into(),
            from_user: "kitchen".to_owned(),
        }));
        talk.gather(gathered("first", "203.0.113.5:40000"));
        let invited = talk.input(CallInput::MediaOpened {
            session,
            port: 16_384,
        });
        talk.offer = body(&invited);
        talk.sip(SipEvent::Answered { body: peer("peer1") });
        talk
    }

    fn input(&mut self, input: CallInput) -> Vec<CallOutput> {
        self.calls.handle_input(self.now, input);
        std::iter::from_fn(|| self.calls.poll_output()).collect()
    }

    fn sip(&mut self, event: SipEvent) -> Vec<CallOutput> {
        self.input(CallInput::Sip { call: CALL, event })
    }

    fn gather(&mut self, gathered: Gathered) -> Vec<CallOutput> {
        let (session, gathered) = (self.session, Box::new(gathered));
        self.input(CallInput::Gathered { session, gathered })
    }

    fn settle(&mut self, controlling: bool, local: &str, remote: &str) -> Vec<CallOutput> {
        let rtp = Ends {
            local: address(local),
            remote: address(remote),
        };
        let settled = Settled {
            controlling,
            rtp,
            rtcp: None,
        };
        let session = self.session;
        self.input(CallInput::Settled { session, settled })
    }
}

/// The description in a request or response; empty: there is none.
fn body(outputs: &[CallOutput]) -> String {
    let bodies = outputs.iter().filter_map(|output| match output {
        CallOutput::Sip(UaCommand::Invite { offer: body, .. })
        | CallOutput::Sip(UaCommand::Reoffer { body, .. })
        | CallOutput::Sip(UaCommand::AnswerReoffer { body, .. }) => Some(body.clone()),
        _ => None,
    });
    let bodies: Vec<_> = bodies.collect();
    assert!(bodies.len() <= 1, "{outputs:#?}");
    String::from_utf8(bodies.concat()).unwrap()
}

fn fragment(body: &str) -> String {
    ice_credentials(body.as_bytes()).expect("ICE").username_fragment
}

fn lines<'a>(body: &'a str, start: &str) -> Vec<&'a str> {
    body.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn whoever_chose_another_way_than_was_told_tells_the_peer() {
    let mut talk = Talk::new();
    assert!(
        talk.offer.contains("m=audio 40000 "),
        "the outside is the default"
    );
    // Both are in one network: the hosts' own addresses have won.
    let told = body(&talk.settle(true, "10.0.0.2:16384", "192.0.2.7:4000"));
    assert!(
        told.contains("c=IN IP4 10.0.0.2\r\n") && told.contains("m=audio 16384 "),
        "{told}"
    );
    assert_eq!(
        lines(&told, "a=candidate:"),
        ["a=candidate:1 1 UDP 2130706431 10.0.0.2 16384 typ host"]
    );
    assert_eq!(
        lines(&told, "a=remote-candidates:"),
        ["a=remote-candidates:1 192.0.2.7 4000"]
    );
    assert_eq!(fragment(&told), "first", "no restart");
    talk.sip(SipEvent::Reanswered {
        body: Some(peer("peer1")),
    });
    let again = body(&talk.settle(true, "10.0.0.2:16384", "192.0.2.7:4000"));
    assert_eq!(again, "", "the peer knows");
}

#[test]
fn an_address_that_only_the_peer_sees_is_told_as_such() {
    let mut talk = Talk::new();
    let told = body(&talk.settle(true, "203.0.113.5:50001", "192.0.2.7:4000"));
    assert!(told.contains("m=audio 50001 "), "{told}");
    let [candidate] = lines(&told, "a=candidate:")[..] else {
        panic!("{told}");
    };
    assert!(
        candidate.ends_with("203.0.113.5 50001 typ prflx raddr 10.0.0.2 rport 16384"),
        "{candidate}"
    );
}

#[test]
fn what_was_told_already_or_is_the_peers_to_tell_is_left_alone() {
    assert_eq!(
        body(&Talk::new().settle(true, "203.0.113.5:40000", "192.0.2.7:4000")),
        ""
    );
    let mut talk = Talk::new();
    assert_eq!(body(&talk.settle(false, "10.0.0.2:16384", "192.0.2.7:4000")), "");
    let answer = body(&talk.sip(SipEvent::Reoffer { body: peer("peer1") }));
    assert!(
        answer.contains("m=audio 16384 ") && fragment(&answer) == "first",
        "{answer}"
    );
    assert!(
        lines(&answer, "a=remote-candidates:").is_empty(),
        "of offers only"
    );
}

#[test]
fn a_peer_that_restarts_is_answered_with_new_credentials_of_ours() {
    let mut talk = Talk::new();
    talk.settle(false, "10.0.0.2:16384", "192.0.2.7:4000");
    let outputs = talk.sip(SipEvent::Reoffer { body: peer("peer2") });
    let answer = body(&outputs);
    assert_ne!(fragment(&answer), "first");
    assert!(
        lines(&answer, "a=candidate:").len() > 1,
        "everything is open again: {answer}"
    );
    let connect = outputs.iter().find_map(|output| match output {
        CallOutput::Connect(connect) => Some(connect),
        _ => None,
    });
    let local = connect
        .and_then(|connect| connect.local.clone())
        .expect("credentials");
    assert_eq!(local.username_fragment, fragment(&answer));
    let once_more = body(&talk.sip(SipEvent::Reoffer { body: peer("peer2") }));
    assert_eq!(fragment(&once_more), fragment(&answer), "no restart");
    // What cannot be answered restarts nothing.
    let broken = String::from_utf8(peer("peer3"))
        .unwrap()
        .replace("RTP/AVP 8", "RTP/AVP 99");
    let refused = talk.sip(SipEvent::Reoffer {
        body: broken.into_bytes(),
    });
    assert_eq!(body(&refused), "");
    let hold = body(&talk.sip(SipEvent::RefreshDue));
    assert_eq!(fragment(&hold), fragment(&answer));
}

/// We come to be elsewhere: gives what is asked of the sockets, and the offer.
fn moved(talk: &mut Talk) -> (Option<Credentials>, String) {
    let local_ip: IpAddr = [10, 9, 9, 9].into();
    let outputs = talk.sip(SipEvent::Moved { local_ip });
    assert_eq!(body(&outputs), "", "first what the new address looks like");
    let credentials = outputs.iter().find_map(|output| match output {
        CallOutput::Regather { credentials, .. } => Some(credentials.clone()),
        _ => None,
    });
    let credentials = credentials.expect("the sockets are asked about");
    let known = Gathered {
        credentials: credentials.clone(),
        ..gathered("unused", "198.51.100.5:41000")
    };
    let offer = body(&talk.gather(known));
    (credentials, offer)
}

#[test]
fn when_our_address_changes_an_offer_restarts() {
    let mut talk = Talk::new();
    talk.settle(true, "203.0.113.5:40000", "192.0.2.7:4000");
    let (credentials, offer) = moved(&mut talk);
    assert_eq!(
        Some(fragment(&offer)),
        credentials.map(|ours| ours.username_fragment)
    );
    assert_ne!(fragment(&offer), "first");
    assert!(
        offer.contains("c=IN IP4 198.51.100.5\r\n") && offer.contains(" 10.9.9.9 16384 typ host"),
        "{offer}"
    );
    assert!(lines(&offer, "a=remote-candidates:").is_empty());
    let outputs = talk.sip(SipEvent::Reanswered {
        body: Some(peer("peer2")),
    });
    let connected = outputs.iter().any(|output| {
        matches!(output, CallOutput::Connect(connect)
            if connect.ip == IpAddr::from([10, 9, 9, 9]) && connect.local.as_ref().is_some_and(|l| l.username_fragment == fragment(&offer)))
    });
    assert!(connected, "{outputs:#?}");
}

#[test]
fn a_restart_that_is_refused_was_none() {
    let mut talk = Talk::new();
    moved(&mut talk);
    talk.sip(SipEvent::Reanswered { body: None });
    let refresh = body(&talk.sip(SipEvent::RefreshDue));
    assert_eq!(fragment(&refresh), "first");
}

#[test]
fn a_call_without_ice_moves_too() {
    let mut talk = Talk::new();
    let plain = String::from_utf8(peer("x")).unwrap();
    let plain = plain
        .lines()
        .filter(|line| !line.starts_with("a=ice") && !line.starts_with("a=cand"));
    let plain: String = plain.map(|line| format!("{line}\r\n")).collect();
    talk.sip(SipEvent::Reoffer {
        body: plain.into_bytes(),
    });
    let (credentials, offer) = moved(&mut talk);
    assert_eq!(credentials, None);
    assert!(offer.contains("c=IN IP4 198.51.100.5\r\n"), "{offer}");
}
