//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Result};

/// As many free ports as the array is long, all different.
///
/// They are free at this moment only: somebody else may take one before its process binds it. Who
/// starts processes with them looks for that ([`taken`]) and tries once more.
///
/// # Errors
/// When the machine has none left.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    let failed = Error::file("find a free port on", "127.0.0.1");
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    // All are held until all are found, else the same port would come twice.
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    let filled = ports.iter_mut().try_for_each(|slot| {
        let listener = bind()?;
        *slot = port(&listener)?;
        listeners.push(listener);
        Ok(())
    });
    filled.map_err(failed).map(|()| ports)
}

/// Whether an error says that a port was taken in between.
pub fn taken(error: &Error) -> bool {
    matches!(error, Error::Ended { tail, .. } if tail.contains("address already in use"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_taken_port_is_known_by_what_go_programs_say_about_it() {
        let ended = |tail: &str| Error::Ended {
            process: "etcd".to_owned(),
            status: "exit status: 1".to_owned(),
            log: "etcd.log".into(),
            tail: tail.to_owned(),
        };
        assert!(taken(&ended("listen tcp 127.0.0.1:2379: bind: address already in use")));
        assert!(!taken(&ended("no space left on device")));
    }

    #[test]
    fn ports_are_all_different() {
        let ports: [u16; 16] = free().unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 16);
    }
}
