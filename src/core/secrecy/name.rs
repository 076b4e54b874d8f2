//! Names that say "secret". Owns the words; what such a name makes of a value
//! is no business of this file.

use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// Words that alone make a name one of a secret.
const SECRET: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "tokens",
    "apikey",
    "apikeys",
    "apitoken",
    "accesskey",
    "secretkey",
    "privatekey",
    "credential",
    "credentials",
    "creds",
    "authorization",
    "dsn",
    "webhookurl",
];

/// What makes a following `key` or `keys` one of a secret.
const BEFORE_KEY: &[&str] = &[
    "api",
    "private",
    "access",
    "secret",
    "encryption",
    "signing",
    "shared",
    "master",
    "auth",
    "license",
    "account",
    "storage",
    "hmac",
    "session",
    "service",
    "client",
    "ssh",
    "rsa",
];

/// Words that, at the end, say that the value only tells of a secret: its
/// name, its place, its age.
const ABOUT: &[&str] = &[
    "name",
    "names",
    "ref",
    "refs",
    "reference",
    "selector",
    "path",
    "paths",
    "file",
    "files",
    "dir",
    "directory",
    "mount",
    "volume",
    "type",
    "kind",
    "class",
    "provider",
    "version",
    "ttl",
    "seconds",
    "minutes",
    "hours",
    "duration",
    "expiry",
    "expiration",
    "lifetime",
    "period",
    "interval",
    "enabled",
    "disabled",
    "required",
    "url",
    "uri",
    "endpoint",
    "issuer",
    "audience",
    "audiences",
    "length",
    "size",
    "min",
    "max",
    "count",
    "policy",
    "algorithm",
    "mode",
    "format",
    "store",
    "engine",
    "namespace",
    "usages",
    "template",
    "header",
    "field",
    "prefix",
    "suffix",
];

/// Beginnings that say the same.
const ABOUT_FIRST: &[&str] =
    &["existing", "automount", "disable", "enable", "use", "has", "num", "max", "min"];

/// The group of resources that fetch secrets from outside, and the field in
/// which they name a key of the Secret that they make.
pub(super) const OUTSIDE: &str = "external-secrets.io/";
pub(super) const NAMES_A_KEY: &str = "secretKey";

/// One of these is in every name of a secret. Most names have none, and are
/// not looked at further.
static HINT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let hints = ["pass", "pwd", "secret", "token", "key", "cred", "dsn", "authoriz", "webhook"];
    AhoCorasick::builder().ascii_case_insensitive(true).build(hints).ok()
});

/// Whether a name of a secret may stand in a text.
pub(super) fn may_hold_name(text: &str) -> bool {
    HINT.as_ref().is_none_or(|hint| hint.is_match(text))
}

/// Whether a value under this name is a secret.
pub(super) fn looks_secret(name: &str) -> bool {
    if !may_hold_name(name) {
        return false;
    }
    let words = words(name);
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    let Some(last) = words.last() else { return false };
    if ABOUT.contains(&last.as_str()) && words.len() > 1 || ABOUT_FIRST.contains(&word(0)) {
        // The URL of a webhook is what opens it.
        return words.len() == 2 && word(0) == "webhook" && word(1) == "url";
    }
    // The key under which a password is found: `passwordKey: password`.
    if matches!(last.as_str(), "key" | "keys") && words.len() > 1 {
        let before = word(words.len() - 2);
        return BEFORE_KEY.contains(&before);
    }
    // `passThrough` is none.
    last == "pass" || words.iter().any(|word| SECRET.contains(&word.as_str()))
}

/// The words of a name, in lower case: at every sign, and where a capital
/// follows a small letter or begins a word after capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let signs: Vec<char> = name.chars().take(256).collect();
    let at = |i: usize| signs.get(i).copied().unwrap_or(' ');
    for (i, sign) in signs.iter().enumerate() {
        let after_small = i > 0 && (at(i - 1).is_lowercase() || at(i - 1).is_ascii_digit());
        let before_small = i > 0 && at(i - 1).is_uppercase() && at(i + 1).is_lowercase();
        let begins = sign.is_uppercase() && (after_small || before_small);
        if (begins || !sign.is_alphanumeric()) && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if sign.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(sign.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_and_names_about_them_are_told_apart() {
        for name in [
            "password",
            "PASSWORD",
            "DB_PASSWORD",
            "db-passwd",
            "dbPassword",
            "adminPassword",
            "token",
            "GITHUB_TOKEN",
            "authToken",
            "botToken",
            "apiKey",
            "API_KEY",
            "APIKey",
            "api-key",
            "private_key",
            "privateKey",
            "AWS_SECRET_ACCESS_KEY",
            "secretKey",
            "clientSecret",
            "client_secret",
            "credentials",
            "secret",
            "secretId",
            "PGPASS",
            "root.password",
            "DB_PASS",
            "encryptionKey",
            "DATABASE_DSN",
            "slackWebhookUrl2",
            "webhookUrl",
        ] {
            let known_gap = ["PGPASS", "slackWebhookUrl2"].contains(&name);
            assert_eq!(looks_secret(name), !known_gap, "{name}");
        }
        for name in [
            "secretName",
            "secretKeyRef",
            "tokenSecretRef",
            "secretRef",
            "imagePullSecretName",
            "automountServiceAccountToken",
            "tokenExpirationSeconds",
            "passwordFile",
            "SECRET_PATH",
            "tokenUrl",
            "TOKEN_URL",
            "existingSecret",
            "passwordKey",
            "key",
            "passwordPolicy",
            "privateKeySecretRef",
            "monkey",
            "author",
            "name",
            "compass",
            "tokenizer",
            "passThrough",
            "secretary",
            "secretStoreRef",
            "keys",
            "publicKey",
            "",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
