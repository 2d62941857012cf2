#!/bin/sh
# Makes an authority, the certificates and the passwords of compose.yaml in ./secrets, once. Run as root: each file
# belongs to the user of the container that reads it. What is there already stays.
#
#   sh make-secrets.sh                     the centre
#   sh make-secrets.sh office dong-son     a certificate for one office's shipper, in secrets/office-dong-son/
set -eu
umask 077
cd "$(dirname "$0")"
out=${LUYTRE_SECRETS:-secrets}
days=1095
luytre=10001 image=1000
mkdir -p "$out"

authority() {
  [ -e "$out/ca.key" ] && return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -keyout "$out/ca.key" \
    -out "$out/ca.pem" -subj "/CN=Luytre authority" -addext "keyUsage=critical,keyCertSign,cRLSign"
  chmod 0444 "$out/ca.pem"
}

# NAME FOLDER HOSTS...: FOLDER/NAME.key and FOLDER/NAME.crt
certificate() {
  name=$1 folder=$2
  shift 2
  [ -e "$folder/$name.crt" ] && return
  names="DNS:$name"
  for host in "$@"; do
    case $host in
      *[!0-9.]*) names="$names,DNS:$host" ;;
      *) names="$names,IP:$host" ;;
    esac
  done
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/$name.key" \
    -out "$folder/$name.csr" -subj "/CN=$name"
  printf 'subjectAltName=%s,IP:127.0.0.1\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' "$names" >"$folder/$name.ext"
  openssl x509 -req -days "$days" -in "$folder/$name.csr" -CA "$out/ca.pem" -CAkey "$out/ca.key" -CAcreateserial \
    -extfile "$folder/$name.ext" -out "$folder/$name.crt"
  rm "$folder/$name.csr" "$folder/$name.ext"
}

password() {
  [ -e "$out/$1" ] || openssl rand -hex 24 >"$out/$1"
}

give() {
  chown "$2" "$out/$1"
  chmod "$3" "$out/$1"
}

authority
if [ "${1:-}" = office ]; then
  folder=$out/office-$2
  mkdir -p "$folder"
  certificate "office-$2" "$folder"
  cp "$out/ca.pem" "$folder/ca.pem"
  echo "carry $folder to the office: ca.pem, office-$2.crt, office-$2.key"
  exit
fi

# Further arguments are names or addresses under which offices reach this machine.
certificate kafka "$out" localhost "$@"
certificate elasticsearch "$out" localhost
certificate luytre "$out"
certificate console "$out" localhost "$@"
cat "$out/kafka.key" "$out/kafka.crt" >"$out/kafka.pem"
password elastic-password
password luytre-elastic-password
password http-token
give kafka.pem "$image:$image" 0400
give elasticsearch.crt "$image:0" 0444
give elasticsearch.key "$image:0" 0400
give elastic-password "$image:0" 0400
give luytre.crt "$luytre:$luytre" 0444
give luytre.key "$luytre:$luytre" 0400
give http-token "$luytre:$luytre" 0400
give console.crt "$luytre:$luytre" 0444
give console.key "$luytre:$luytre" 0400
# Luytre reads it, and the one run of make-user.sh in Elasticsearch's image.
give luytre-elastic-password "$luytre:$image" 0440
chmod 0711 "$out"
echo "made in $out: keep ca.key elsewhere, away from this machine"
