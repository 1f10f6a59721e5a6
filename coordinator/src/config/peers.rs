//! The other coordinators that workers are told of: what an address must look like, and how many there may be.
//! Nothing is dialled or resolved here; workers do that.

use tonic::codegen::http::Uri;

use super::Wrong;

/// A worker holds a session with each address of each: as many as a worker connects to.
const MOST: usize = 10;

pub(super) fn check(peers: &[String], wrong: &mut Vec<Wrong>) {
    if peers.len() > MOST {
        wrong.push(Wrong {
            key: "peers",
            what: format!("{} are too many", peers.len()),
            expected: format!("at most {MOST}, since workers connect to no more"),
        });
    }
    for peer in peers.iter().filter(|peer| !is_address(peer)) {
        wrong.push(Wrong {
            key: "peers",
            what: format!("`{peer}` is no address of a coordinator"),
            expected: "such as \"http://coordinators:7421\" or \"https://coordinators:7421\"".into(),
        });
    }
}

fn is_address(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.port_u16().is_some_and(|port| port > 0)
            && !authority.contains('@')
            && matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_addresses_with_a_port_and_at_most_ten() {
        let found = |peers: &[&str]| {
            let mut wrong = Vec::new();
            check(
                &peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                &mut wrong,
            );
            wrong.len()
        };
        assert_eq!(found(&["http://coordinators:7421", "https://[::1]:7421/"]), 0);
        assert_eq!(
            found(&[
                "coordinators:7421",
                "http://a",
                "http://a:0",
                "http://u@a:1",
                "ftp://a:1"
            ]),
            5
        );
        assert_eq!(found(&["http://a:1"; 11]), 1);
    }
}
