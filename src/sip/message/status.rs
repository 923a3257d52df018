//! Status codes (RFC 3261 section 21 and the registry of its extensions).

use std::fmt;

/// A response's status code, 100 to 699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

/// What a status code's first digit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 1xx: the request goes on.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx: try elsewhere.
    Redirection,
    /// 4xx: not in this form, not by this server.
    ClientError,
    /// 5xx.
    ServerError,
    /// 6xx: by no server.
    GlobalFailure,
}

impl StatusCode {
    /// 100.
    pub const TRYING: Self = Self(100);
    /// 180.
    pub const RINGING: Self = Self(180);
    /// 200.
    pub const OK: Self = Self(200);
    /// 400.
    pub const BAD_REQUEST: Self = Self(400);
    /// 401.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 407.
    pub const PROXY_AUTHENTICATION_REQUIRED: Self = Self(407);
    /// 408.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// 413.
    pub const REQUEST_ENTITY_TOO_LARGE: Self = Self(413);
    /// 416.
    pub const UNSUPPORTED_URI_SCHEME: Self = Self(416);
    /// 481.
    pub const NO_SUCH_CALL: Self = Self(481);
    /// 487.
    pub const REQUEST_TERMINATED: Self = Self(487);
    /// 488.
    pub const NOT_ACCEPTABLE_HERE: Self = Self(488);
    /// 503.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    /// 505.
    pub const VERSION_NOT_SUPPORTED: Self = Self(505);
    /// 513.
    pub const MESSAGE_TOO_LARGE: Self = Self(513);

    /// A status code; `None` outside 100 to 699.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Its class.
    pub const fn class(self) -> StatusClass {
        match self.0 {
            0..200 => StatusClass::Provisional,
            200..300 => StatusClass::Success,
            300..400 => StatusClass::Redirection,
            400..500 => StatusClass::ClientError,
            500..600 => StatusClass::ServerError,
            _ => StatusClass::GlobalFailure,
        }
    }

    /// 1xx.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx.
    pub const fn is_success(self) -> bool {
        matches!(self.class(), StatusClass::Success)
    }

    /// 2xx to 6xx.
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// The registered reason phrase; for a code we don't know, that of its class (RFC 3261 section 8.1.3.2).
    pub const fn reason(self) -> &'static str {
        match self.0 {
            100 => "Trying",
            180 => "Ringing",
            181 => "Call Is Being Forwarded",
            182 => "Queued",
            183 => "Session Progress",
            199 => "Early Dialog Terminated",
            200 => "OK",
            202 => "Accepted",
            204 => "No Notification",
            300 => "Multiple Choices",
            301 => "Moved Permanently",
            302 => "Moved Temporarily",
            305 => "Use Proxy",
            380 => "Alternative Service",
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Payment Required",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            410 => "Gone",
            412 => "Conditional Request Failed",
            413 => "Request Entity Too Large",
            414 => "Request-URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Unsupported URI Scheme",
            417 => "Unknown Resource-Priority",
            420 => "Bad Extension",
            421 => "Extension Required",
            422 => "Session Interval Too Small",
            423 => "Interval Too Brief",
            424 => "Bad Location Information",
            425 => "Bad Alert Message",
            428 => "Use Identity Header",
            429 => "Provide Referrer Identity",
            430 => "Flow Failed",
            433 => "Anonymity Disallowed",
            436 => "Bad Identity Info",
            437 => "Unsupported Credential",
            438 => "Invalid Identity Header",
            439 => "First Hop Lacks Outbound Support",
            440 => "Max-Breadth Exceeded",
            469 => "Bad Info Package",
            470 => "Consent Needed",
            480 => "Temporarily Unavailable",
            481 => "Call/Transaction Does Not Exist",
            482 => "Loop Detected",
            483 => "Too Many Hops",
            484 => "Address Incomplete",
            485 => "Ambiguous",
            486 => "Busy Here",
            487 => "Request Terminated",
            488 => "Not Acceptable Here",
            489 => "Bad Event",
            491 => "Request Pending",
            493 => "Undecipherable",
            494 => "Security Agreement Required",
            500 => "Server Internal Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Server Time-out",
            505 => "Version Not Supported",
            513 => "Message Too Large",
            555 => "Push Notification Service Not Supported",
            580 => "Precondition Failure",
            600 => "Busy Everywhere",
            603 => "Decline",
            604 => "Does Not Exist Anywhere",
            606 => "Not Acceptable",
            607 => "Unwanted",
            608 => "Rejected",
            _ => match self.class() {
                StatusClass::Provisional => "Progress",
                StatusClass::Success => "Success",
                StatusClass::Redirection => "Redirection",
                StatusClass::ClientError => "Request Failure",
                StatusClass::ServerError => "Server Failure",
                StatusClass::GlobalFailure => "Global Failure",
            },
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_outside_the_range_do_not_exist() {
        assert_eq!(StatusCode::new(99), None);
        assert_eq!(StatusCode::new(700), None);
        assert_eq!(StatusCode::new(100), Some(StatusCode::TRYING));
        assert_eq!(
            StatusCode::new(699).map(StatusCode::class),
            Some(StatusClass::GlobalFailure)
        );
    }

    #[test]
    fn every_code_has_a_reason_of_its_class() {
        for code in 100..=699 {
            let status = StatusCode::new(code).unwrap();
            assert!(!status.reason().is_empty());
            assert_eq!(status.is_provisional(), code < 200);
            assert_eq!(status.is_success(), (200..300).contains(&code));
            assert_eq!(status.is_final(), code >= 200);
        }
        assert_eq!(StatusCode::new(486).unwrap().reason(), "Busy Here");
        assert_eq!(StatusCode::new(499).unwrap().reason(), "Request Failure");
    }
}
