/** Why TLS came to nothing, to be put behind "as", with the way out; null where the failure is another one. */
export function tlsReason(code: string | undefined, message: string): string | null {
  if (code === undefined) return null
  const known = reasons[code]
  if (known !== undefined) return known
  // OpenSSL names an alert of the far end SSLV3_ALERT_…, TLSV1_ALERT_… or TLSV13_ALERT_…, by the version that brought it in.
  if (/^ERR_SSL_.*ALERT_(?:CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/.test(code))
    return 'the server wants a certificate of yours; show one by --cert-file and --key-file'
  if (/^ERR_SSL_.*ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|UNSUPPORTED_CERTIFICATE)$/.test(code))
    return `the server does not take your certificate (${code
      .replace(/^.*ALERT_/, '')
      .toLowerCase()
      .replaceAll('_', ' ')}); one that its clientCa signed and that is valid now is accepted`
  if (/^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/.test(code))
    return 'what listens there speaks no TLS; name it with http://'
  if (/^ERR_(?:SSL|TLS|OSSL)_/.test(code)) return `TLS failed (${message})`
  return null
}

const unknownAuthority = 'nothing that this machine trusts signed its certificate; name the certificate of its authority by --ca-file'

const reasons: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; where it is the right one, name it by --ca-file',
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_HAS_EXPIRED: 'its certificate has expired; renew the files that listen.tls of its plumb.yaml names',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; compare the clocks of both machines',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name; use a name that is in it, or have this one put in',
}
