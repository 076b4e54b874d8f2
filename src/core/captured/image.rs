//! Images of two versions. Owns what of an image is its tag, and when a tag is
//! said to have a version; whatever is not certain is left to the plan.

/// The same image of another version; none where its tag does not have the old
/// one exactly once, as a whole word.
#[must_use]
pub fn exchanged(image: &str, old: &str, new: &str) -> Option<String> {
    // By a digest it is that very image, whatever its tag says.
    if old.is_empty() || image.contains('@') {
        return None;
    }
    let path = image.rfind('/').map_or(0, |slash| slash + 1);
    let colon = path + image.get(path..)?.find(':')?;
    let (name, tag) = (image.get(..=colon)?, image.get(colon + 1..)?);
    let mut words = tag.match_indices(old).filter(|(at, _)| is_word(tag, *at, old.len()));
    let (at, _) = words.next()?;
    if words.next().is_some() {
        return None;
    }
    let (before, after) = (tag.get(..at)?, tag.get(at + old.len()..)?);
    Some(format!("{name}{before}{new}{after}"))
}

/// Whether nothing beside it belongs to the version: `1.0` is no part of `1.0.1`,
/// nor of `v1.0`.
fn is_word(tag: &str, at: usize, length: usize) -> bool {
    let outside = |byte: Option<u8>| byte.is_none_or(|byte| matches!(byte, b'-' | b'_'));
    let before = at.checked_sub(1).and_then(|before| tag.as_bytes().get(before).copied());
    outside(before) && outside(tag.as_bytes().get(at + length).copied())
}
