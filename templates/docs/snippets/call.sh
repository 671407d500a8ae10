printf 'Authorization: Bearer %s\n' "$@KEY@" |
  curl --fail-with-body --header @- "$@ADDRESS@"
