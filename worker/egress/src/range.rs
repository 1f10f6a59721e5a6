//! Addresses inside that an operator permits by name: one address, one address and port, or a network.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// `127.0.0.1`, `127.0.0.1:8080`, `[::1]:8080` or `10.0.0.0/8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    network: IpAddr,
    /// Leading bits that count.
    bits: u8,
    /// None: every port.
    port: Option<u16>,
}

impl Range {
    /// True where the address is in it. Without a port, a range that names one does not hold it.
    #[must_use]
    pub fn holds(&self, address: IpAddr, port: Option<u16>) -> bool {
        let same = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        };
        same && self.port.is_none_or(|own| port == Some(own))
    }

    /// True where it is one address.
    pub(crate) fn is_address(&self) -> bool {
        self.bits == width(self.network)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "it is no address; expected 10.0.0.5, 10.0.0.5:8080, [::1]:8080 or a network such as 10.0.0.0/8";
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self {
                network: address,
                bits: width(address),
                port: None,
            });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                network: address.ip(),
                bits: width(address.ip()),
                port: Some(address.port()),
            });
        }
        let (network, bits) = text.split_once('/').ok_or(EXPECTED)?;
        let network: IpAddr = network.parse().map_err(|_| EXPECTED)?;
        let bits = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= width(network))
            .ok_or("the number of bits after / is out of range; expected 0 to 32, or to 128 for IPv6")?;
        let range = Self {
            network,
            bits,
            port: None,
        };
        Ok(range)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.network, port).fmt(f),
            None if self.is_address() => self.network.fmt(f),
            None => write!(f, "{}/{}", self.network, self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_other() {
        for (range, address, port, holds) in [
            ("10.0.0.0/8", "10.255.0.1", None, true),
            ("10.0.0.0/8", "11.0.0.1", None, false),
            ("0.0.0.0/0", "192.168.1.1", None, true),
            ("10.1.2.3", "10.1.2.3", Some(5), true),
            ("10.1.2.3:80", "10.1.2.3", Some(80), true),
            ("10.1.2.3:80", "10.1.2.3", Some(81), false),
            ("10.1.2.3:80", "10.1.2.3", None, false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", None, false),
            ("fd00::/8", "fd12::1", None, true),
            ("[::1]:80", "::1", Some(80), true),
            ("::/0", "fe80::1", None, true),
        ] {
            let parsed: Range = range.parse().expect(range);
            assert_eq!(
                parsed.holds(address.parse().expect("an address"), port),
                holds,
                "{range} {address}"
            );
            assert_eq!(parsed.to_string(), range);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "localhost",
            "10.0.0.1:99999",
            "10.0.0.0/8:80",
            "0x7f.1",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
