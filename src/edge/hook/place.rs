//! Addresses that hooks may not call, whatever name leads there: what every
//! machine has for itself alone, and where clouds hand out credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata and host services of clouds outside the link-local ranges.
const CLOUDS: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether an address may be called; `here` if the hook names this machine.
///
/// # Errors
/// Says what it is.
pub(super) fn callable(address: IpAddr, here: bool) -> Result<(), &'static str> {
    let address = match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    if address.is_loopback() {
        return if here {
            Ok(())
        } else {
            Err("one of this machine, which the hook does not name")
        };
    }
    let local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    match () {
        () if here => Err("not this machine's, which the hook names"),
        () if CLOUDS.contains(&address) => Err("a cloud's own, which hooks may not call"),
        () if local || address.is_unspecified() || address.is_multicast() => {
            Err("link-local or no single host's, which hooks may not call")
        }
        () => Ok(()),
    }
}

/// The address of version 4 that one of version 6 stands for: mapped, compatible,
/// or behind a translator.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let translated = [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0];
    let compatible = [a, b, c, d, e, f] == [0; 6] && (high, low) > (0, 1);
    let last = || Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    address.to_ipv4_mapped().or((translated || compatible).then(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_nobody_elses_are_not_called() {
        let may = |text: &str, here| callable(text.parse().unwrap(), here).is_ok();
        for fine in ["192.0.2.1", "10.0.0.1", "192.168.1.1", "2001:db8::1", "fd00::1"] {
            assert!(may(fine, false) && !may(fine, true), "{fine}");
        }
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(may(here, true) && !may(here, false), "{here}");
        }
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(!may(never, false) && !may(never, true), "{never}");
        }
    }
}
