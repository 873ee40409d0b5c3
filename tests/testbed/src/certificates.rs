//! The cluster's certificates: one authority, and a leaf for each party, as files.
//!
//! Names and groups are what Kubernetes binds its own roles to
//! (kubernetes.io/docs/setup/best-practices/certificates).

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::error::{Error, Result};

/// The names under which the servers of the cluster are reached.
const SERVER_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "10.96.0.1", "kubernetes.default.svc"];

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key, PKCS#8.
    pub key: PathBuf,
}

/// A cluster's authority, which signs everything in it. All keys are EC P-256: made in no time.
pub struct Authority {
    folder: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority that writes into `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let failed = |source| Error::Certificate { name: "ca".to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = distinguished_name("dislodge-testbed", None);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let pem = parameters.self_signed(&key).map_err(failed)?.pem();
        write(&folder.join("ca.crt"), &pem)?;
        Ok(Self { folder: folder.to_path_buf(), pem, issuer: Issuer::new(parameters, key) })
    }

    /// The authority's certificate as a file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The authority's certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server on loopback.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn server(&self, name: &str) -> Result<Certificate> {
        let mut parameters = CertificateParams::new(SERVER_NAMES.map(str::to_owned))
            .map_err(|source| Error::Certificate { name: name.to_owned(), source })?;
        parameters.distinguished_name = distinguished_name(name, None);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, parameters)
    }

    /// A certificate for a user (`CN`) and at most one group (`O`), in files called `name`.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn client(&self, name: &str, user: &str, group: Option<&str>) -> Result<Certificate> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = distinguished_name(user, group);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, parameters)
    }

    fn sign(&self, name: &str, mut parameters: CertificateParams) -> Result<Certificate> {
        let failed = |source| Error::Certificate { name: name.to_owned(), source };
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(failed)?;
        let pem = parameters.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        let files = Certificate {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
        };
        write(&files.certificate, &pem)?;
        write(&files.key, &key.serialize_pem())?;
        Ok(files)
    }
}

/// The keys for the tokens of ServiceAccounts: the private one, then the public one, as files.
///
/// # Errors
/// When they cannot be made or written.
pub fn token_keys(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate()
        .map_err(|source| Error::Certificate { name: "sa".to_owned(), source })?;
    let (private, public) = (folder.join("sa.key"), folder.join("sa.pub"));
    write(&private, &key.serialize_pem())?;
    write(&public, &key.public_key_pem())?;
    Ok((private, public))
}

fn distinguished_name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::file("write", path))
}
