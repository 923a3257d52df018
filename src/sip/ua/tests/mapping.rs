//! A router that gives our UDP socket another address outside, told by the watch over it.

use super::world::*;
use crate::sip::account::Account;
use crate::sip::message::{HeaderName, Message, Method, Response};
use crate::sip::ua::*;
use RegistrationState::*;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

const REGISTRAR: &str = "192.0.2.1:5060";

/// What the registrar is like.
struct Registrar {
    /// As whom it sees us.
    sees: Rc<Cell<SocketAddr>>,
    silent: Rc<Cell<bool>>,
}

fn world(accounts: Vec<Account>) -> (World, Registrar) {
    let mut world = World::new(24);
    world.add("192.0.2.9:5060");
    world
        .names
        .insert("pbx.example.net".into(), vec![address(REGISTRAR)]);
    let registrar = Registrar {
        sees: Rc::new(Cell::new(address("203.0.113.7:40000"))),
        silent: Rc::default(),
    };
    let (sees, silent) = (registrar.sees.clone(), registrar.silent.clone());
    world.script(REGISTRAR, move |message| {
        let Message::Request(request) = message else {
            return Vec::new();
        };
        if silent.get() {
            return Vec::new();
        }
        let mut response: Response = respond(request, 200, "r");
        let mut via = response.headers.via_top().unwrap();
        via.params.set("received", &sees.get().ip().to_string());
        via.params.set("rport", &sees.get().port().to_string());
        response
            .headers
            .replace_first_element(&HeaderName::VIA, &via.to_string());
        response.headers.copy_from(&request.headers, &HeaderName::CONTACT);
        response.headers.copy_from(&request.headers, &HeaderName::EXPIRES);
        vec![response.into()]
    });
    world.command(0, UaCommand::SetAccounts(accounts));
    world.run_s(1);
    (world, registrar)
}

fn office() -> Account {
    account("office", "6001", "pbx.example.net")
}

/// The Contacts of the REGISTERs since the log was cleared.
fn registered_as(world: &World) -> Vec<String> {
    let requests = world.requests(Method::Register);
    let contacts = requests
        .iter()
        .map(|request| request.headers.contact().unwrap().uri.to_string());
    contacts.collect()
}

#[test]
fn a_changed_mapping_is_registered_at_once() {
    let (mut world, registrar) = world(vec![office()]);
    assert_eq!(world.states(0).last(), Some(&Registered));
    assert!(
        registered_as(&world)
            .last()
            .unwrap()
            .contains("203.0.113.7:40000")
    );
    world.run_s(60);
    world.clear();
    registrar.sees.set(address("203.0.113.7:40001"));
    world.input(0, UaInput::MappingChanged);
    world.run_s(2);
    let contacts = registered_as(&world);
    assert!(
        contacts.first().unwrap().contains("203.0.113.7:40000"),
        "it isn't known yet"
    );
    assert!(
        contacts.last().unwrap().contains("203.0.113.7:40001"),
        "{contacts:?}"
    );
    assert_eq!(contacts.len(), 2);
    world.clear();
    world.run_s(60);
    assert_eq!(registered_as(&world).len(), 0, "and that is all");
}

#[test]
fn what_goes_over_a_connection_or_isnt_registered_is_left_alone() {
    let over_tcp = Account {
        transport: Some(Transport::Tcp),
        ..office()
    };
    let direct = Account {
        register: false,
        ..office()
    };
    for account in [over_tcp, direct] {
        let (mut world, _) = world(vec![account]);
        world.clear();
        world.input(0, UaInput::MappingChanged);
        world.run_s(5);
        assert_eq!(registered_as(&world).len(), 0);
    }
}

#[test]
fn a_registration_under_way_gets_no_second_beside_it() {
    let (mut world, registrar) = world(vec![office()]);
    registrar.silent.set(true);
    world.clear();
    for _ in 0..3 {
        world.input(0, UaInput::MappingChanged);
        world.run_ms(10);
    }
    assert_eq!(
        registered_as(&world).len(),
        1,
        "one, and no retransmission of it so far"
    );
    registrar.silent.set(false);
    world.run_s(10);
    assert_eq!(world.states(0).last(), Some(&Registered));
}
