//! Which IP addresses are the public internet, and which are somebody's inside.
//!
//! IPv6 is read strictly: forms that carry an IPv4 address inside (mapped, NAT64, 6to4, Teredo) are never let through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The public internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// Metadata services, link-local, multicast, reserved: only an entry that is the address permits it.
    Reserved,
}

/// Where an address leads.
pub(crate) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Reach::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        // This network, link-local with the metadata services, protocol assignments, documentation, 6to4 relays,
        // benchmarks, multicast and all above it.
        (0, ..)
        | (169, 254, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (224..=255, ..) => Reach::Reserved,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let [a, b, ..] = address.segments();
    match (a, b) {
        _ if address == Ipv6Addr::LOCALHOST => Reach::Loopback,
        // The metadata service of a large cloud, in the private range.
        (0xfd00, 0x0ec2) => Reach::Reserved,
        (0xfc00..=0xfdff, _) => Reach::Private,
        // Teredo and other protocol assignments, documentation, 6to4.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff) => Reach::Reserved,
        (0x2000..=0x3fff, _) => Reach::Public,
        _ => Reach::Reserved,
    }
}
