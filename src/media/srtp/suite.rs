//! The cipher suites and their sizes.

/// What protects a session: its name in SDP (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// AES-128 in counter mode, tags of 80 bits. Everybody has it.
    AesCm128HmacSha1_80,
    /// The same with tags of 32 bits for RTP. Accepted where a peer has nothing better, never offered.
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, tags of 80 bits.
    Aes256CmHmacSha1_80,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::Aes256CmHmacSha1_80,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// Those we offer, in this order: first the one that RFC 4568 makes mandatory, for telephones exist that read no
    /// further.
    pub const OFFERED: [Self; 4] = [
        Self::AesCm128HmacSha1_80,
        Self::Aes256CmHmacSha1_80,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// The name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master key, and of the session's encryption key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::Aes256CmHmacSha1_80 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt, and of the session's.
    pub const fn salt_bytes(self) -> usize {
        if self.is_gcm() { 12 } else { 14 }
    }

    /// Bytes of master key and salt together, as SDP and DTLS carry them.
    pub const fn material_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }

    /// Whether encryption authenticates as well.
    pub(super) const fn is_gcm(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// Bytes of an RTP packet's tag.
    pub(super) const fn rtp_tag_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::Aes256CmHmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Bytes of an RTCP packet's tag (RFC 4568 section 6.2.2: 80 bits beside the short ones of RTP).
    pub(super) const fn rtcp_tag_bytes(self) -> usize {
        if self.is_gcm() { 16 } else { 10 }
    }
}
