//! The tables of `countries/`, compiled in.

/// Code and table, in the order of the codes.
macro_rules! tables {
    ($($code:literal)*) => {
        &[$(($code, include_str!(concat!("countries/", $code, ".yaml")))),*]
    };
}

/// Every country: ISO 3166-1 alpha-2 in lower case, and its table.
pub(super) const TABLES: &[(&str, &str)] = tables! {
    "ae" "ar" "at" "au" "be" "bg" "br" "by" "ca" "ch" "cl" "cn" "cy" "cz" "de" "dk" "ee" "eg" "es" "fi"
    "fr" "gb" "gr" "hk" "hr" "hu" "id" "ie" "il" "in" "is" "it" "jo" "jp" "kr" "kw" "lk" "lt" "lu"
    "lv" "ma" "mo" "mt" "mx" "my" "ng" "nl" "no" "nz" "pa" "ph" "pl" "pt" "qa" "ro" "rs" "ru" "sa"
    "se" "sg" "si" "sk" "th" "tn" "tr" "tw" "ua" "us" "ve" "vn" "za"
};

/// Other codes that people write, and the ones they mean.
pub(super) const ALIASES: &[(&str, &str)] = &[("uk", "gb")];

/// The table of `code`, in either case, alias or not.
pub(super) fn table(code: &str) -> Option<&'static str> {
    let code = code.to_ascii_lowercase();
    let code = ALIASES
        .iter()
        .find(|(alias, _)| *alias == code)
        .map_or(code.as_str(), |(_, meant)| meant);
    let index = TABLES.binary_search_by(|(listed, _)| (*listed).cmp(code)).ok()?;
    Some(TABLES[index].1)
}
