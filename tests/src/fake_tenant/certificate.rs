//! Certificates that are made for one run: that of Tally as a client, and that of the https
//! listener. Each is made once in a process.

use std::sync::OnceLock;

use platform::ids;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, SignatureAlgorithm,
};

/// A key with a certificate that it has signed itself.
pub(super) struct Certified {
    /// The certificate in PEM.
    pub certificate: String,
    /// The certificate in DER.
    pub der: Vec<u8>,
    key: KeyPair,
}

impl Certified {
    /// The RSA key with which Tally proves that it is the client.
    pub fn of_client() -> &'static Self {
        static CLIENT: OnceLock<Certified> = OnceLock::new();
        CLIENT.get_or_init(|| Self::new(&PKCS_RSA_SHA256, "Tally", &[], None))
    }

    /// The key of the https listener, for the names of this machine.
    pub fn of_server() -> &'static Self {
        static SERVER: OnceLock<Certified> = OnceLock::new();
        SERVER.get_or_init(|| {
            let names = ["localhost", "127.0.0.1", "::1"];
            let usage = Some(ExtendedKeyUsagePurpose::ServerAuth);
            Self::new(&PKCS_ECDSA_P256_SHA256, "The fake tenant", &names, usage)
        })
    }

    fn new(
        algorithm: &'static SignatureAlgorithm,
        name: &str,
        hosts: &[&str],
        usage: Option<ExtendedKeyUsagePurpose>,
    ) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.extend(usage);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), der: certificate.der().to_vec(), key }
    }

    /// The thumbprint of the certificate (`x5t#S256` of RFC 7515).
    pub fn thumbprint(&self) -> String {
        ids::sha256_of(&self.der)
    }

    /// The private key in PEM (PKCS #8).
    pub fn private_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The private key in DER (PKCS #8).
    pub fn private_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    /// The public key as `aws_lc_rs::signature` takes it.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key_raw()
    }
}
