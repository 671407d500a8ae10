#!/bin/sh
# Checks a key with curl and openssl alone; KEY is what was presented to you.
set -eu
refuse() { echo "refused: $1" >&2; exit 1; }
member() { sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }
decode() {
  text=$(printf %s "$1" | tr '_-' '/+')
  while [ $((${#text} % 4)) -ne 0 ]; do text="$text="; done
  printf %s "$text" | openssl base64 -d -A
}
case $KEY in
  *[!A-Za-z0-9._-]* | *.*.*.*) refuse "not a key" ;;
  *.*.*) ;;
  *) refuse "not a JWT" ;;
esac
signed=${KEY%.*} signature=${KEY##*.}
header=$(decode "${signed%.*}") claims=$(decode "${signed#*.}")
kid=$(echo "$header" | member kid)
[ "$(echo "$header" | member alg)" = ES256 ] || refuse "another algorithm"
[ "$(echo "$header" | member typ)" = at+jwt ] || refuse "another kind of token"

# The public key of that id, and nothing that the token itself brings along.
jwk=$(curl --silent --show-error --fail --max-time 3 "@JWKS@" |
  tr '}' '\n' | grep -F "\"$kid\"") || refuse "unknown key id"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
{
  printf '\060\131\060\023\006\007\052\206\110\316\075\002\001\006\010\052\206'
  printf '\110\316\075\003\001\007\003\102\000\004'
  decode "$(echo "$jwk" | member x)"
  decode "$(echo "$jwk" | member y)"
} >"$folder/key.der"
halves=$(decode "$signature" | od -An -v -tx1 | tr -d ' \n')
{
  echo 'asn1=SEQUENCE:pair'
  echo '[pair]'
  echo "r=INTEGER:0x$(echo "$halves" | cut -c1-64)"
  echo "s=INTEGER:0x$(echo "$halves" | cut -c65-128)"
} >"$folder/pair"
openssl asn1parse -genconf "$folder/pair" -noout -out "$folder/signature.der"
printf %s "$signed" | openssl dgst -sha256 -verify "$folder/key.der" -keyform DER \
  -signature "$folder/signature.der" >/dev/null 2>&1 || refuse "the signature does not fit"

now=$(date +%s)
[ "$(echo "$claims" | member iss)" = "@ISSUER@" ] || refuse "another issuer"
[ "$(echo "$claims" | member aud)" = "@SERVICE@" ] || refuse "for another service"
[ "$(echo "$claims" | member env)" = "@ENV@" ] || refuse "for another environment"
[ "$(echo "$claims" | member exp)" -gt "$now" ] || refuse "expired"
[ "$(echo "$claims" | member nbf)" -le "$((now + 30))" ] || refuse "not valid yet"
case " $(echo "$claims" | member scope) " in
  *" @SCOPE@ "*) ;;
  *) refuse "without @SCOPE@" ;;
esac
echo "good: $(echo "$claims" | member sub)"
