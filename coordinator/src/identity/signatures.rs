//! Signatures of JWTs, verified by ring, as those of TLS are: an RSA signature takes a quarter of the time that it
//! takes by default, a flood of forged tokens a quarter of the processor. What is signed is none of its business.

use std::sync::LazyLock;

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    crypto::{CryptoProvider, JwtVerifier, rust_crypto},
    errors::{ErrorKind, Result},
    signature::{Error, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    verifier_factory: verifier,
    ..rust_crypto::DEFAULT_PROVIDER.clone()
});

/// One token's.
struct PublicKey {
    algorithm: Algorithm,
    key: UnparsedPublicKey<Box<[u8]>>,
}

/// From here on, in this process. Where something else verifies JWTs already it stays as it is, which is right too.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let family = algorithm.family();
    if key.family() != family {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let verification: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &ED25519,
        // Those with a secret, and what a later version may add.
        _ if family == AlgorithmFamily::Hmac => {
            return (rust_crypto::DEFAULT_PROVIDER.verifier_factory)(algorithm, key);
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(PublicKey {
        algorithm: *algorithm,
        key: UnparsedPublicKey::new(verification, key.try_get_as_bytes()?.into()),
    }))
}

// === impl PublicKey ===

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.key.verify(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::EncodingKey;
    use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    /// Keys of RFC 7515, A.2.
    const PRIVATE: &[u8] = include_bytes!("../../tests/identity/rfc7515_a2_private.pem");
    const PUBLIC: &[u8] = include_bytes!("../../tests/identity/rfc7515_a2_public.pem");

    fn check(algorithm: Algorithm, private: &EncodingKey, public: &DecodingKey) {
        let sign = rust_crypto::DEFAULT_PROVIDER.signer_factory;
        let signature = sign(&algorithm, private).unwrap().sign(b"a message");
        let verifier = verifier(&algorithm, public).unwrap();
        assert_eq!(verifier.algorithm(), algorithm);
        assert!(verifier.verify(b"a message", &signature).is_ok(), "{algorithm:?}");
        assert!(verifier.verify(b"another", &signature).is_err(), "{algorithm:?}");
        let mut forged = signature.clone();
        forged[7] ^= 1;
        assert!(verifier.verify(b"a message", &forged).is_err(), "{algorithm:?}");
        for length in [0, signature.len() - 1] {
            let cut = signature[..length].to_vec();
            assert!(verifier.verify(b"a message", &cut).is_err(), "{algorithm:?}");
        }
    }

    #[test]
    fn a_signature_of_each_algorithm_is_verified_and_a_forged_one_is_not() {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        let private = EncodingKey::from_rsa_pem(PRIVATE).unwrap();
        let public = DecodingKey::from_rsa_pem(PUBLIC).unwrap();
        for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512] {
            check(algorithm, &private, &public);
        }
        let curve = |key: KeyPair| {
            let private = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
            (
                private,
                DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap(),
            )
        };
        let (private, public) = curve(KeyPair::generate().unwrap());
        check(ES256, &private, &public);
        let (private, public) = curve(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
        check(ES384, &private, &public);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let private = EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap();
        let public = DecodingKey::from_ed_pem(key.public_key_pem().as_bytes()).unwrap();
        check(EdDSA, &private, &public);
        let secret = b"a secret of sixty-four bytes or more, that nobody else may know of";
        let (private, public) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        for algorithm in [HS256, HS384, HS512] {
            check(algorithm, &private, &public);
        }
    }

    #[test]
    fn a_key_of_another_family_verifies_nothing() {
        let public = DecodingKey::from_rsa_pem(PUBLIC).unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!(verifier(&algorithm, &public).is_err(), "{algorithm:?}");
        }
    }
}
