//! Numbers and names in the few characters a display knows.

/// The last `length_max` digits of a number as an exchange would send it, without its `+`; `None` where it is no
/// telephone number (letters, nothing at all), which the telephone is told as "unavailable".
pub(super) fn displayed_number(number: &str, length_max: usize) -> Option<String> {
    let mut digits = String::with_capacity(number.len());
    for character in number.strip_prefix('+').unwrap_or(number).chars() {
        match character {
            '0'..='9' | '*' | '#' => digits.push(character),
            // Visual separators of RFC 3966.
            '-' | '.' | '(' | ')' | ' ' => {}
            _ => return None,
        }
    }
    // The end of a number tells callers apart; its beginning is the country.
    let digits = digits.get(digits.len().saturating_sub(length_max)..)?;
    (!digits.is_empty()).then(|| digits.to_owned())
}

/// The first `length_max` characters of a name in printable ASCII: Latin letters without their accents, Cyrillic
/// ones by sound, anything else as `?`. `None` where nothing is left.
pub(super) fn displayed_name(name: &str, length_max: usize) -> Option<String> {
    let mut ascii = String::with_capacity(name.len());
    for character in name.trim().chars() {
        match character {
            ' '..='~' => ascii.push(character),
            character if character.is_whitespace() => ascii.push(' '),
            character if character.is_control() => {}
            character => push_romanized(character, &mut ascii),
        }
    }
    ascii.truncate(length_max);
    ascii.truncate(ascii.trim_end().len());
    (!ascii.is_empty()).then_some(ascii)
}

fn push_romanized(character: char, ascii: &mut String) {
    let lower = character.to_lowercase().next().unwrap_or(character);
    let Some(letters) = romanized(lower) else {
        ascii.push('?');
        return;
    };
    let mut letters = letters.chars();
    if lower != character {
        ascii.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
    }
    ascii.extend(letters);
}

/// Latin-1 and Latin Extended-A letters without their marks; Cyrillic by the Ukrainian national table of 2010 where
/// it has the letter, else as ISO 9 reads without marks.
fn romanized(lower: char) -> Option<&'static str> {
    Some(match lower {
        'à' | 'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' | 'а' => "a",
        'ä' | 'æ' => "ae",
        'å' => "aa",
        'б' => "b",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ц' => "ts",
        'ч' => "ch",
        'ď' | 'đ' | 'ð' | 'д' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'е' | 'ё' | 'э' => "e",
        'ф' => "f",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' | 'ґ' => "g",
        'ĥ' | 'ħ' | 'г' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' | 'і' | 'ї' | 'й' => "i",
        'ĵ' | 'ј' => "j",
        'ķ' | 'к' => "k",
        'х' => "kh",
        'ĺ' | 'ļ' | 'ľ' | 'ł' | 'л' => "l",
        'м' => "m",
        'ñ' | 'ń' | 'ņ' | 'ň' | 'н' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' | 'о' => "o",
        'ö' | 'ø' | 'œ' => "oe",
        'п' => "p",
        'ŕ' | 'ř' | 'р' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' | 'с' => "s",
        'ß' => "ss",
        'ш' => "sh",
        'щ' => "shch",
        'ţ' | 'ť' | 'ț' | 'т' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'у' => "u",
        'ü' => "ue",
        'в' => "v",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' | 'и' | 'ы' => "y",
        'є' => "ie",
        'ю' => "iu",
        'я' => "ia",
        'ź' | 'ż' | 'ž' | 'з' => "z",
        'ж' => "zh",
        'ь' | 'ъ' | '\u{2019}' | '\u{2bc}' | '\u{300}'..='\u{36f}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_end() {
        assert_eq!(
            displayed_number("+380441234567", 20).as_deref(),
            Some("380441234567")
        );
        assert_eq!(
            displayed_number("(201) 348-7000", 20).as_deref(),
            Some("2013487000")
        );
        assert_eq!(
            displayed_number("+123456789012345", 10).as_deref(),
            Some("6789012345")
        );
        assert_eq!(displayed_number("600", 20).as_deref(), Some("600"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for user in ["", "+", "alice", "1+2", "12а", "１２"] {
            assert_eq!(displayed_number(user, 20), None, "{user}");
        }
    }

    #[test]
    fn names_become_what_a_display_shows() {
        for (name, shown) in [
            ("JOHN SMITH", "JOHN SMITH"),
            ("  José Peña ", "Jose Pena"),
            ("Jürgen Groß", "Juergen Gross"),
            ("Олександр Щур", "Oleksandr Shchu"),
            ("Łukasz\tŻak", "Lukasz Zak"),
            ("山田", "??"),
            ("Very long name indeed", "Very long name"),
        ] {
            assert_eq!(displayed_name(name, 15).as_deref(), Some(shown), "{name}");
        }
        assert_eq!(displayed_name(" \u{7} ", 15), None);
    }
}
