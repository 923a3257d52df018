//! Bodies of the fuzz targets: they panic where a promise of this room is broken.

use super::{Severity, check};

/// Any bytes are a configuration or have an error with a place inside the text.
pub fn text(bytes: &[u8]) {
    let report = check(bytes, "fuzz.yaml");
    assert_eq!(report.model.is_none(), report.errors() > 0, "{report}");
    let lines =
        bytes.iter().filter(|byte| **byte == b'\n').count() + bytes.iter().filter(|b| **b == b'\r').count();
    for problem in &report.problems {
        assert!(problem.place.line >= 1 && problem.place.column >= 1);
        assert!(problem.place.line as usize <= lines + 2, "{problem}");
        assert!(!problem.text.contains('\n'), "{problem}");
        assert!(matches!(problem.severity, Severity::Error | Severity::Warning));
    }
}
