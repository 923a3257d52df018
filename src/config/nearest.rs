//! The name somebody meant.

/// The name among `names` that is nearest to `written`: at most a third of it would have to be changed.
pub(super) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    names
        .into_iter()
        .map(|name| (distance(&written, name), name))
        .filter(|(distance, name)| distance * 3 <= name.chars().count().max(written.len()).max(3))
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean ...?`, or nothing.
pub(super) fn suggestion<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, names).map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// Insertions, deletions, changes and swaps of neighbours that make one text the other.
fn distance(one: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let changed = usize::from(one[i - 1] != other[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger() {
        let names = ["server", "username", "auth_username", "expires_s", "socket"];
        assert_eq!(nearest("sever", names), Some("server"));
        assert_eq!(nearest("usrename", names), Some("username"));
        assert_eq!(nearest("Socket", names), Some("socket"));
        assert_eq!(nearest("expires", names), Some("expires_s"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}
