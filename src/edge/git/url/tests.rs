//! Which remotes are taken, which are refused, and what is never shown.

use super::*;

fn said(text: &str) -> String {
    RemoteUrl::parse(text).unwrap_err().to_string()
}

#[test]
fn paths_and_file_urls_are_taken() {
    assert_eq!(RemoteUrl::parse("/srv/plan.git").unwrap().as_str(), "/srv/plan.git");
    assert_eq!(RemoteUrl::parse("file:///srv/p.git").unwrap().as_str(), "file:///srv/p.git");
    let relative = RemoteUrl::parse_from(Path::new("/home/me/work"), "./a:b").unwrap();
    assert_eq!(relative.as_str(), "/home/me/work/a:b");
}

#[test]
fn network_urls_are_taken_as_they_are() {
    for (text, transport) in [
        ("https://host.test/group/r.git", Transport::Http),
        ("https://host.test:8443/r", Transport::Http),
        ("http://127.0.0.1:3000/r.git", Transport::Http),
        ("http://[::1]:3000/r.git", Transport::Http),
        ("http://localhost/r.git", Transport::Http),
        ("ssh://git@host.test:2222/r.git", Transport::Ssh),
        ("ssh://host/~me/r.git", Transport::Ssh),
        ("git@host.test:group/r.git", Transport::Ssh),
        ("host:r", Transport::Ssh),
    ] {
        let url = RemoteUrl::parse(text).unwrap();
        assert_eq!((url.as_str(), url.transport()), (text, transport));
        assert_eq!(url.to_string(), text);
    }
    assert_eq!(RemoteUrl::parse("https://HOST.test/R").unwrap().as_str(), "https://host.test/R");
}

#[test]
fn options_helpers_and_control_characters_are_refused() {
    for bad in [
        "",
        "--upload-pack=x",
        "ext::sh -c id",
        "fd::3",
        "a\nb",
        "ftp://x/y",
        "git://x/y",
        "file://host/p",
        "ssh://-oProxyCommand=x/r",
        "ssh://-x@host/r",
        "ssh://me@-host/r",
        "-host:r",
        "me@-host:r",
        "-me@host:r",
        "host:-r",
        "host:",
        "ssh://host",
        "ssh://host:0/r",
        "ssh://host:x/r",
        "ssh://ho%20st/r",
        "ssh://ho`st/r",
        "ssh://a b@host/r",
        "[host:22]:r",
        "https://host\r.test/r",
        "https://host\\@evil.test/r",
        "https:///r",
        "https://host.test/r?token=x",
        "https://host.test/r#x",
        "https://[::1/r",
        "https://u:%0a@host.test/r",
        "https://u:%zz@host.test/r",
    ] {
        let error = RemoteUrl::parse(bad).unwrap_err();
        assert!(matches!(error, RemoteError::Refused { .. }), "{bad:?}: {error}");
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for bad in ["http://host.test/r.git", "http://127.0.0.1.host.test/r", "http://10.0.0.1/r"] {
        assert!(said(bad).contains("use https"), "{bad}");
    }
}

#[test]
fn credentials_in_a_url_are_kept_apart_and_never_shown() {
    let url = RemoteUrl::parse("https://user:s%40cret@host.test/r.git").unwrap();
    assert_eq!(url.as_str(), "https://host.test/r.git");
    let [setting] = url.settings() else { unreachable!("{url:?}") };
    assert_eq!(setting.key, "http.https://host.test/.extraHeader");
    assert_eq!(setting.value(), "Authorization: Basic dXNlcjpzQGNyZXQ=");
    let shown = format!("{url} {url:?}");
    assert!(!shown.contains("s@cret") && !shown.contains("dXNlcjpzQGNyZXQ"), "{shown}");

    let url = RemoteUrl::parse("https://token@host.test/r.git").unwrap();
    let [setting] = url.settings() else { unreachable!("{url:?}") };
    assert_eq!(setting.key, "credential.https://host.test.username");
    assert!(!format!("{url} {url:?}").contains("token"));

    for bad in ["http://u:secret@host.test/r", "ssh://u:secret@host/r", "u:secret@host:r"] {
        assert!(!said(bad).contains("secret"), "{}", said(bad));
    }
}

#[test]
fn headers_and_the_operators_credentials_reach_only_their_host() {
    let headers = vec![
        ("https://host.test/".to_owned(), "AUTHORIZATION: bearer right".to_owned()),
        ("https://host.test.evil/".to_owned(), "AUTHORIZATION: bearer evil".to_owned()),
        ("http://host.test/".to_owned(), "AUTHORIZATION: bearer plain".to_owned()),
        ("https://host.test:444/".to_owned(), "AUTHORIZATION: bearer port".to_owned()),
    ];
    let none = Access::default();
    let url = RemoteUrl::parse("https://host.test/r").unwrap().opened_by(&none, &headers);
    let values: Vec<&str> = url.settings().iter().map(Setting::value).collect();
    assert_eq!(values, ["AUTHORIZATION: bearer right"]);

    let mine = Access::new(Some("me".to_owned()), Some("pw".to_owned()));
    let url = RemoteUrl::parse("https://host.test/r").unwrap().opened_by(&mine, &headers);
    let [setting] = url.settings() else { unreachable!("{url:?}") };
    assert_eq!(setting.key, "http.https://host.test/.extraHeader");
    assert!(!format!("{mine:?}").contains("pw"));
    let local = RemoteUrl::parse("/srv/plan.git").unwrap().opened_by(&mine, &headers);
    assert!(local.settings().is_empty());
}
