//! Claims, signed (JSON Web Signature in its compact form, RFC 7515 and RFC 7518).

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flow_model::schema::Algorithm;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Map, Value as Json, json};

use super::hmac_sha256;
use crate::secret::SecretText;

/// What claims are signed with.
pub(crate) struct Key {
    signer: Signer,
    /// The id of the key, where its file says it.
    pub(crate) id: Option<String>,
    /// Who it belongs to, where its file says it.
    pub(crate) owner: Option<String>,
}

enum Signer {
    Hmac(SecretText),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl Key {
    /// Reads a private key: PEM, with line ends or with `\n` in their place, or the file of a Google service account. With
    /// `hs256`, the text is a shared secret.
    ///
    /// # Errors
    /// Why it can't be used, with nothing of the key.
    pub(crate) fn read(text: &SecretText, algorithm: Option<Algorithm>) -> Result<Self, String> {
        if algorithm == Some(Algorithm::Hs256) {
            return Ok(Self { signer: Signer::Hmac(text.clone()), id: None, owner: None });
        }
        let text = text.reveal().trim();
        let (pem, id, owner) = match text.starts_with('{') {
            false => (text.to_owned(), None, None),
            true => {
                let file: Map<String, Json> =
                    serde_json::from_str(text).map_err(|_| "the key begins like JSON and is none".to_owned())?;
                let member = |name: &str| file.get(name).and_then(Json::as_str).map(str::to_owned);
                let pem = member("private_key").ok_or("the key's file has no `private_key`")?;
                (pem, member("private_key_id"), member("client_email"))
            }
        };
        // Variables and one-line files hold the line ends as two characters.
        let pem = pem.replace("\\r", "").replace("\\n", "\n");
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "the private key is not PEM (`-----BEGIN PRIVATE KEY-----`)".to_owned())?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            _ => None,
        };
        let signer = match rsa {
            Some(rsa) => Signer::Rsa(rsa),
            None => EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der())
                .map(Signer::Ecdsa)
                .map_err(|_| "the private key is neither RSA (2048 bits and more) nor of the curve P-256".to_owned())?,
        };
        match (&signer, algorithm) {
            (Signer::Ecdsa(_), Some(Algorithm::Rs256)) => {
                Err("the key is of a curve, and `rs256` needs RSA".to_owned())
            }
            (Signer::Rsa(_), Some(Algorithm::Es256)) => Err("the key is RSA, and `es256` needs a curve".to_owned()),
            _ => Ok(Self { signer, id, owner }),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Hmac(_) => "HS256",
            Signer::Rsa(_) => "RS256",
            Signer::Ecdsa(_) => "ES256",
        }
    }

    /// The claims with a header and a signature.
    ///
    /// # Errors
    /// The key does not sign.
    pub(crate) fn sign(&self, key_id: Option<&str>, claims: &Map<String, Json>) -> Result<String, String> {
        let mut header = json!({ "alg": self.algorithm(), "typ": "JWT" });
        if let Some(id) = key_id.or(self.id.as_deref()) {
            header["kid"] = json!(id);
        }
        let part = |json: String| URL_SAFE_NO_PAD.encode(json);
        let claims = serde_json::to_string(claims).map_err(|error| error.to_string())?;
        let message = format!("{}.{}", part(header.to_string()), part(claims));
        let signature = self.signature(message.as_bytes()).ok_or("the private key does not sign")?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Hmac(secret) => Some(hmac_sha256(secret.reveal().as_bytes(), message)),
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Signer::Ecdsa(key) => key.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    /// The message that the examples of RFC 7515, appendix A, sign with RS256 and ES256: header and payload as there.
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    fn key(pem: &str) -> Key {
        Key::read(&SecretText::new(pem), None).unwrap()
    }

    #[test]
    fn the_examples_of_the_standard_come_out() {
        let message = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}");
        let rsa = key(include_str!("vectors/rfc7515_a2.pem"));
        let signed = URL_SAFE_NO_PAD.encode(rsa.signature(message.as_bytes()).unwrap());
        assert_eq!(
            signed,
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1\
             dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzD\
             wusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77\
             Rw"
        );
        // ES256 is not the same twice: what it gives holds by the public key of the example, RFC 7515, appendix A.3.
        let message = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}");
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let mut point = vec![4];
        point.extend(part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"));
        point.extend(part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
        let of_the_example = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        public.verify(message.as_bytes(), &part(of_the_example)).unwrap();
        for pem in [include_str!("vectors/rfc7515_a3.pem"), include_str!("vectors/rfc7515_a3_sec1.pem")] {
            public.verify(message.as_bytes(), &key(pem).signature(message.as_bytes()).unwrap()).unwrap();
        }
        // HS256, RFC 7515, appendix A.1: the secret is bytes there, and the same in all implementations when it is text.
        let shared = Key::read(&SecretText::new("your-256-bit-secret"), Some(Algorithm::Hs256)).unwrap();
        let signature = shared.signature(
            b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ",
        );
        assert_eq!(URL_SAFE_NO_PAD.encode(signature.unwrap()), "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c");
    }

    #[test]
    fn a_key_reads_in_each_form_and_says_what_is_wrong_without_itself() {
        let pem = include_str!("vectors/rfc7515_a2.pem");
        let on_one_line = pem.replace('\n', "\\n");
        let file = json!({ "private_key": pem, "private_key_id": "k1", "client_email": "robot@x.example" }).to_string();
        for text in [pem, on_one_line.as_str(), file.as_str()] {
            assert!(matches!(key(text).signer, Signer::Rsa(_)));
        }
        let of_file = key(&file);
        assert_eq!((of_file.id.as_deref(), of_file.owner.as_deref()), (Some("k1"), Some("robot@x.example")));
        let header = of_file.sign(None, &Map::new()).unwrap();
        let header = URL_SAFE_NO_PAD.decode(header.split('.').next().unwrap()).unwrap();
        let header: Json = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        for (text, algorithm, expected) in [
            ("canary", None, "not PEM"),
            ("{canary", None, "JSON"),
            ("{\"canary\": 1}", None, "no `private_key`"),
            (pem, Some(Algorithm::Es256), "needs a curve"),
            (include_str!("vectors/rfc7515_a3.pem"), Some(Algorithm::Rs256), "needs RSA"),
        ] {
            let Err(problem) = Key::read(&SecretText::new(text), algorithm) else { panic!("{expected}") };
            assert!(problem.contains(expected) && !problem.contains("canary"), "{problem}");
        }
    }
}
