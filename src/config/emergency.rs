//! Emergency calls: which numbers they are, what they say, and how long they hold the line.

use super::file::EmergencyFile;
use super::model::{Account, Emergency, Line};
use super::section::Located;
use super::value::Keys;

/// As typed → checked.
pub(super) fn model(file: &EmergencyFile) -> Emergency {
    Emergency {
        priority: file.priority.value,
        geolocation: file.geolocation.as_ref().map(|location| location.value.0.clone()),
        geolocation_routing: file.geolocation_routing.value,
        service_urn: file.service_urn.value,
        hold_line_s: file.hold_line_s.value.0,
    }
}

/// Numbers as they are typed.
pub(super) fn numbers(list: Option<Located<Vec<Located<Keys>>>>) -> Vec<String> {
    let listed = list.map_or(Vec::new(), |list| list.value);
    listed.into_iter().map(|number| number.value.0).collect()
}

/// A line's emergency numbers are its country's, its account's and its own.
pub(super) fn complete(lines: &mut [Line], accounts: &[Account]) {
    for line in lines {
        let account = accounts
            .iter()
            .find(|account| Some(&account.name) == line.account.as_ref());
        let of_account = account.map_or(&[][..], |account| &account.emergency_numbers);
        for number in line.zone.emergency_numbers.iter().chain(of_account) {
            if !line.emergency_numbers.contains(number) {
                line.emergency_numbers.push(number.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check;

    #[test]
    fn country_account_and_line_add_up() {
        let text = b"country: gb\nemergency: { hold_line_s: 45, geolocation: \"https://lis.example.net/7\" }\naccounts:\n  \
            office: { server: \"sip:192.0.2.1\", username: a, emergency_numbers: [\"555\", \"999\"] }\nlines:\n\
            - { name: a, account: office, emergency_numbers: [\"8112\"], interface: { driver: virtual, socket: /a } }\n\
            - { name: b, interface: { driver: virtual, socket: /b } }\n";
        let report = check(text, "x");
        let model = report.model.unwrap_or_else(|| panic!("{:?}", report.problems));
        let numbers = |line: &str| model.line(line).unwrap().emergency_numbers.clone();
        for number in ["112", "999", "555", "8112"] {
            assert_eq!(
                numbers("a").iter().filter(|own| *own == number).count(),
                1,
                "{number}"
            );
        }
        assert!(!numbers("b").contains(&"555".to_owned()));
        assert!(model.emergency.priority);
        assert_eq!(model.emergency.hold_line_s, 45);
    }
}
