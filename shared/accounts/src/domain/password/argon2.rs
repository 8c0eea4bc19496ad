//! Argon2 in memory that the process keeps. An allocator would give the memory back in part, or
//! keep several such blocks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ::argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use ::argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use platform::{Problem, ids};
use zeroize::Zeroize as _;

use super::Password;

/// The blocks of the last hash, wiped. A process serves one request at a time, so no request waits
/// for them.
static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Number of blocks that are kept between two hashes: as many as a new hash takes. An imported hash
/// may take more for once.
const KEPT: usize = Params::DEFAULT_M_COST as usize;

/// Hashing failed, which only a lack of memory does.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        tracing::error!(%error, "failed to hash a password");
        Problem::internal()
    }
}

/// The hash of a new password, as a PHC string.
pub(super) fn hash(password: &Password) -> Result<String, HashError> {
    let params = Params::DEFAULT;
    let salt = ids::random::<16>();
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(
        &Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()),
        password,
        &salt,
        &mut output,
    )?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| HashError)?,
        salt: Some(Salt::new(&salt).map_err(|_| HashError)?),
        hash: Some(Output::new(&output).map_err(|_| HashError)?),
    };
    Ok(hash.to_string())
}

/// Whether a hash of any variant of Argon2 is that of a password.
pub(super) fn matches(
    hash: &PasswordHash,
    params: &Params,
    password: &Password,
) -> Result<bool, HashError> {
    let (Some(salt), Some(expected), Some(version)) = (&hash.salt, &hash.hash, hash.version) else {
        return Ok(false);
    };
    let algorithm = Algorithm::new(hash.algorithm.as_str()).map_err(|_| HashError)?;
    let version = Version::try_from(version).map_err(|_| HashError)?;
    let mut output = vec![0; expected.len()];
    fill(&Argon2::new(algorithm, version, params.clone()), password, salt, &mut output)?;
    Ok(verify_slices_are_equal(&output, expected.as_bytes()).is_ok())
}

/// Whether a hash is as strong as a new one.
pub(super) fn is_current(hash: &PasswordHash, params: &Params) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && params.m_cost() >= Params::DEFAULT_M_COST
        && params.t_cost() >= Params::DEFAULT_T_COST
}

/// Computes a hash in the blocks that are kept.
fn fill(
    argon2: &Argon2<'_>,
    password: &Password,
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), HashError> {
    let mut blocks = Wiped(BLOCKS.lock().unwrap_or_else(PoisonError::into_inner));
    let count = argon2.params().block_count();
    let missing = count.saturating_sub(blocks.0.len());
    // Exactly the missing blocks: a vector that grows by itself would double.
    blocks.0.try_reserve_exact(missing).map_err(|_| HashError)?;
    let length = blocks.0.len().max(count);
    blocks.0.resize(length, Block::new());
    argon2
        .hash_password_into_with_memory(
            password.normal.as_bytes(),
            salt,
            output,
            &mut blocks.0[..count],
        )
        .map_err(|_| HashError)
}

/// Blocks that are wiped when their use ends in any way, and then shrunk to the number that is
/// kept.
struct Wiped(MutexGuard<'static, Vec<Block>>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Block::zeroize);
        self.0.truncate(KEPT);
        self.0.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_hash_is_kept_and_wiped() {
        let password = Password::new("password");
        let hashed = |text: &str| {
            let hash = PasswordHash::new(text).unwrap();
            matches(&hash, &Params::try_from(&hash).unwrap(), &password).unwrap()
        };
        let ours = hash(&password).unwrap();
        for text in [
            ours.as_str(),
            // It takes 64 MiB.
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            // It takes less than what is kept, and leaves the rest alone.
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        ] {
            assert!(hashed(text), "{text}");
            let blocks = BLOCKS.lock().unwrap();
            assert_eq!((blocks.len(), blocks.capacity()), (KEPT, KEPT), "{text}");
            assert!(
                blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)),
                "{text}"
            );
        }
    }
}
