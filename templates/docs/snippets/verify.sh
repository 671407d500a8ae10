#!/bin/sh
# Asks keymgr whether a key may do this. KEY is what was presented to you,
# KEYMGR_CREDENTIAL what your service presents. Nothing secret is on a command line.
set -eu
case $KEY in *[!A-Za-z0-9._-]*) echo "refused: not a key" >&2; exit 1 ;; esac

answer=$(curl --silent --show-error --fail --max-time 3 --config - <<END
url = "@URL@/api/v1/verify"
header = "Authorization: Bearer $KEYMGR_CREDENTIAL"
header = "Content-Type: application/json"
data = "{\"token\": \"$KEY\", \"scopes\": [\"@SCOPE@\"], \"environment\": \"@ENV@\"}"
END
)
echo "$answer"
case $answer in '{"valid":true,'* | '{"valid": true,'*) ;; *) exit 1 ;; esac
