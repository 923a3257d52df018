//! The cryptography of one packet whose index is known.
//!
//! Layouts (`|` marks where what is encrypted begins and ends):
//! ```text
//! counter mode   SRTP   header | payload | [MKI] tag            tag over: header, payload, rollover counter
//!                SRTCP  8 bytes | rest | E+index [MKI] tag      tag over: all before the MKI
//! GCM            SRTP   header | payload | tag [MKI]            associated data: header
//!                SRTCP  8 bytes | rest | tag E+index [MKI]      associated data: 8 bytes, E+index
//! ```

use aes::cipher::consts::{U12, U16};
use aes::cipher::{
    BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use aes::{Aes128, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use ctr::{CtrCore, flavors};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::SrtpError;
use super::key::{Label, MasterKey};
use super::packet::{
    E_BIT, RTCP_CLEAR_BYTES, RTCP_INDEX_BYTES, rtcp_ssrc, rtp_header_bytes, rtp_ssrc, word_at,
};
use super::suite::Suite;

/// Tag of HMAC-SHA1, before it is cut.
const SHA1_BYTES: usize = 20;
const GCM_TAG_BYTES: usize = 16;

/// Longest compound packet that is authenticated by GCM without being encrypted.
const TAGGED_BYTES_MAX: usize = 1500;

/// Which of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Rtp,
    Rtcp,
}

/// Keys of one direction and protocol, ready for use.
#[derive(Clone)]
pub(super) struct Transform {
    cipher: Cipher,
    salt: Zeroizing<[u8; 14]>,
    tag_bytes: usize,
}

#[derive(Clone)]
enum Cipher {
    Counter128(Aes128, Hmac<Sha1>),
    Counter256(Aes256, Hmac<Sha1>),
    Gcm128(AesGcm<Aes128, U12>),
    Gcm256(AesGcm<Aes256, U12>),
}

impl Transform {
    /// Derives the session's keys.
    pub(super) fn new(master: &MasterKey, protocol: Protocol) -> Self {
        let suite = master.suite();
        let labels = match protocol {
            Protocol::Rtp => (Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt),
            Protocol::Rtcp => (Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt),
        };
        let mut key = Zeroizing::new([0; 32]);
        let mut authentication = Zeroizing::new([0; SHA1_BYTES]);
        let mut salt = Zeroizing::new([0; 14]);
        master.derive(labels.0, &mut key[..suite.key_bytes()]);
        master.derive(labels.1, &mut *authentication);
        master.derive(labels.2, &mut salt[..suite.salt_bytes()]);
        Self::from_session_keys(suite, protocol, &key, &authentication, &salt)
    }

    /// Of the key only the first half counts where the suite's is shorter.
    pub(super) fn from_session_keys(
        suite: Suite,
        protocol: Protocol,
        key: &[u8; 32],
        authentication: &[u8; SHA1_BYTES],
        salt: &[u8; 14],
    ) -> Self {
        let short = key.first_chunk().unwrap_or(&[0; 16]);
        // A key shorter than a block of the hash function is followed by zeros (RFC 2104).
        let mut block = Zeroizing::new([0; 64]);
        block[..SHA1_BYTES].copy_from_slice(authentication);
        let mac = <Hmac<Sha1> as KeyInit>::new((&*block).into());
        let cipher = match suite {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => {
                Cipher::Counter128(Aes128::new(short.into()), mac)
            }
            Suite::Aes256CmHmacSha1_80 => Cipher::Counter256(Aes256::new(key.into()), mac),
            Suite::AeadAes128Gcm => Cipher::Gcm128(AesGcm::new(short.into())),
            Suite::AeadAes256Gcm => Cipher::Gcm256(AesGcm::new(key.into())),
        };
        Self {
            cipher,
            salt: Zeroizing::new(*salt),
            tag_bytes: match protocol {
                Protocol::Rtp => suite.rtp_tag_bytes(),
                Protocol::Rtcp => suite.rtcp_tag_bytes(),
            },
        }
    }

    /// Protects the packet in the first `length` bytes; its new length.
    pub(super) fn seal_rtp(&self, buffer: &mut [u8], length: usize, index: u64) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Malformed)?;
        let (clear, ssrc) = (rtp_header_bytes(packet)?, rtp_ssrc(packet)?);
        let sealed = length + self.tag_bytes;
        let (packet, tag) = buffer
            .get_mut(..sealed)
            .ok_or(SrtpError::NoRoom)?
            .split_at_mut(length);
        let (header, payload) = packet.split_at_mut(clear);
        match &self.cipher {
            Cipher::Counter128(..) | Cipher::Counter256(..) => {
                self.count(ssrc, index, payload);
                let whole = self.mac()?.chain_update(&*packet).chain_update(rollovers(index));
                cut(tag, &whole.finalize().into_bytes());
            }
            Cipher::Gcm128(gcm) => gcm_seal(gcm, &self.nonce(ssrc, index), header, payload, tag)?,
            Cipher::Gcm256(gcm) => gcm_seal(gcm, &self.nonce(ssrc, index), header, payload, tag)?,
        }
        Ok(sealed)
    }

    /// Opens a packet in place; its length without tag and identifier. A packet that isn't genuine stays as it was.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        index: u64,
        mki_bytes: usize,
    ) -> Result<usize, SrtpError> {
        let (clear, ssrc) = (rtp_header_bytes(packet)?, rtp_ssrc(packet)?);
        let length = packet
            .len()
            .checked_sub(self.tag_bytes + mki_bytes)
            .filter(|length| *length >= clear)
            .ok_or(SrtpError::Malformed)?;
        let (content, behind) = packet.split_at_mut(length);
        match &self.cipher {
            Cipher::Counter128(..) | Cipher::Counter256(..) => {
                let whole = self.mac()?.chain_update(&*content).chain_update(rollovers(index));
                verify(whole, &behind[mki_bytes..])?;
                self.count(ssrc, index, &mut content[clear..]);
            }
            Cipher::Gcm128(gcm) => {
                let (header, payload) = content.split_at_mut(clear);
                gcm_open(gcm, &self.nonce(ssrc, index), header, payload, behind)?;
            }
            Cipher::Gcm256(gcm) => {
                let (header, payload) = content.split_at_mut(clear);
                gcm_open(gcm, &self.nonce(ssrc, index), header, payload, behind)?;
            }
        }
        Ok(length)
    }

    /// Protects the compound packet in the first `length` bytes; its new length.
    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], length: usize, index: u32) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Malformed)?;
        let ssrc = rtcp_ssrc(packet)?;
        let sealed = length + self.tag_bytes + RTCP_INDEX_BYTES;
        let word = (E_BIT | index).to_be_bytes();
        let (packet, behind) = buffer
            .get_mut(..sealed)
            .ok_or(SrtpError::NoRoom)?
            .split_at_mut(length);
        let (header, rest) = packet.split_at_mut(RTCP_CLEAR_BYTES);
        match &self.cipher {
            Cipher::Counter128(..) | Cipher::Counter256(..) => {
                self.count(ssrc, u64::from(index), rest);
                let (word_place, tag) = behind.split_at_mut(RTCP_INDEX_BYTES);
                word_place.copy_from_slice(&word);
                let whole = self.mac()?.chain_update(&*packet).chain_update(word);
                cut(tag, &whole.finalize().into_bytes());
            }
            Cipher::Gcm128(gcm) => {
                let associated = associated(header, word);
                gcm_seal(
                    gcm,
                    &self.nonce(ssrc, u64::from(index)),
                    &associated,
                    rest,
                    behind,
                )?;
                cut_end(behind, &word);
            }
            Cipher::Gcm256(gcm) => {
                let associated = associated(header, word);
                gcm_seal(
                    gcm,
                    &self.nonce(ssrc, u64::from(index)),
                    &associated,
                    rest,
                    behind,
                )?;
                cut_end(behind, &word);
            }
        }
        Ok(sealed)
    }

    /// Opens a compound packet in place; its length without what protection added. One that isn't genuine stays as
    /// it was.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], mki_bytes: usize) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let word = self.rtcp_word(packet, mki_bytes)?;
        let (encrypted, index) = (word & E_BIT != 0, u64::from(word & !E_BIT));
        let word = word.to_be_bytes();
        let length = packet
            .len()
            .checked_sub(self.tag_bytes + RTCP_INDEX_BYTES + mki_bytes)
            .filter(|length| *length >= RTCP_CLEAR_BYTES)
            .ok_or(SrtpError::Malformed)?;
        let (content, behind) = packet.split_at_mut(length);
        match &self.cipher {
            Cipher::Counter128(..) | Cipher::Counter256(..) => {
                let whole = self.mac()?.chain_update(&*content).chain_update(word);
                verify(whole, &behind[RTCP_INDEX_BYTES + mki_bytes..])?;
                if encrypted {
                    self.count(ssrc, index, &mut content[RTCP_CLEAR_BYTES..]);
                }
            }
            Cipher::Gcm128(gcm) => {
                gcm_open_rtcp(gcm, &self.nonce(ssrc, index), word, encrypted, content, behind)?;
            }
            Cipher::Gcm256(gcm) => {
                gcm_open_rtcp(gcm, &self.nonce(ssrc, index), word, encrypted, content, behind)?;
            }
        }
        Ok(length)
    }

    /// The E bit and the index of a compound packet.
    pub(super) fn rtcp_word(&self, packet: &[u8], mki_bytes: usize) -> Result<u32, SrtpError> {
        let behind = match self.cipher {
            Cipher::Counter128(..) | Cipher::Counter256(..) => self.tag_bytes + mki_bytes,
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => mki_bytes,
        };
        let at = packet
            .len()
            .checked_sub(behind + RTCP_INDEX_BYTES)
            .filter(|at| *at >= RTCP_CLEAR_BYTES)
            .ok_or(SrtpError::Malformed)?;
        word_at(packet, at)
    }

    fn mac(&self) -> Result<Hmac<Sha1>, SrtpError> {
        match &self.cipher {
            Cipher::Counter128(_, mac) | Cipher::Counter256(_, mac) => Ok(mac.clone()),
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => Err(SrtpError::Unauthentic),
        }
    }

    /// Encrypts or decrypts in counter mode (RFC 3711 section 4.1.1).
    fn count(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&*self.salt);
        exclusive_or(&mut block[4..8], &ssrc.to_be_bytes());
        exclusive_or(&mut block[8..14], &index.to_be_bytes()[2..]);
        match &self.cipher {
            Cipher::Counter128(cipher, _) => keystream(cipher, &block, bytes),
            Cipher::Counter256(cipher, _) => keystream(cipher, &block, bytes),
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => {}
        }
    }

    /// RFC 7714 sections 8.1 and 9.1: both indices are of 48 bits here.
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt[..12]);
        exclusive_or(&mut nonce[2..6], &ssrc.to_be_bytes());
        exclusive_or(&mut nonce[6..], &index.to_be_bytes()[2..]);
        nonce
    }
}

/// Applies the keystream that begins at a counter block.
pub(super) fn keystream<C>(cipher: &C, block: &[u8; 16], bytes: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::<&C, flavors::Ctr128BE>::inner_iv_init(cipher, block.into());
    // Fails only behind the end of the counter, which no datagram reaches.
    let _ = StreamCipherCoreWrapper::from_core(core).try_apply_keystream(bytes);
}

fn rollovers(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn exclusive_or(place: &mut [u8], bytes: &[u8]) {
    place
        .iter_mut()
        .zip(bytes)
        .for_each(|(place, byte)| *place ^= byte);
}

/// As much of a tag as there is room for.
fn cut(place: &mut [u8], tag: &[u8]) {
    place.iter_mut().zip(tag).for_each(|(place, byte)| *place = *byte);
}

fn cut_end(place: &mut [u8], word: &[u8; RTCP_INDEX_BYTES]) {
    if let Some(end) = place.last_chunk_mut() {
        *end = *word;
    }
}

fn verify(mac: Hmac<Sha1>, tag: &[u8]) -> Result<(), SrtpError> {
    // In constant time; an empty tag is refused.
    mac.verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)
}

fn associated(header: &[u8], word: [u8; RTCP_INDEX_BYTES]) -> [u8; RTCP_CLEAR_BYTES + RTCP_INDEX_BYTES] {
    let mut associated = [0; RTCP_CLEAR_BYTES + RTCP_INDEX_BYTES];
    cut(&mut associated, header);
    associated[RTCP_CLEAR_BYTES..].copy_from_slice(&word);
    associated
}

fn gcm_seal<G: AeadInOut<NonceSize = U12, TagSize = U16>>(
    gcm: &G,
    nonce: &[u8; 12],
    associated: &[u8],
    bytes: &mut [u8],
    place: &mut [u8],
) -> Result<(), SrtpError> {
    let tag = gcm
        .encrypt_inout_detached(nonce.into(), associated, bytes.into())
        .map_err(|_| SrtpError::Malformed)?;
    cut(place, &tag);
    Ok(())
}

/// The tag is the first thing in `behind`.
fn gcm_open<G: AeadInOut<NonceSize = U12, TagSize = U16>>(
    gcm: &G,
    nonce: &[u8; 12],
    associated: &[u8],
    bytes: &mut [u8],
    behind: &[u8],
) -> Result<(), SrtpError> {
    let tag: &[u8; GCM_TAG_BYTES] = behind.first_chunk().ok_or(SrtpError::Malformed)?;
    gcm.decrypt_inout_detached(nonce.into(), associated, bytes.into(), tag.into())
        .map_err(|_| SrtpError::Unauthentic)
}

fn gcm_open_rtcp<G: AeadInOut<NonceSize = U12, TagSize = U16>>(
    gcm: &G,
    nonce: &[u8; 12],
    word: [u8; RTCP_INDEX_BYTES],
    encrypted: bool,
    content: &mut [u8],
    behind: &[u8],
) -> Result<(), SrtpError> {
    if encrypted {
        let (header, rest) = content.split_at_mut(RTCP_CLEAR_BYTES);
        return gcm_open(gcm, nonce, &associated(header, word), rest, behind);
    }
    // RFC 7714 section 9.3: all of it is associated data, the index last. The interface wants it in one piece.
    let mut whole = [0; TAGGED_BYTES_MAX];
    let end = content.len() + RTCP_INDEX_BYTES;
    let place = whole.get_mut(..end).ok_or(SrtpError::Malformed)?;
    cut(place, content);
    cut_end(place, &word);
    gcm_open(gcm, nonce, place, &mut [], behind)
}
