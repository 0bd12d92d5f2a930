# nginx: static files, compression, a proxy with buffers in front of itself, under load by ab, reloaded meanwhile.
source "${BASH_SOURCE[0]%/*}/common.sh"
PATH=$PATH:/usr/sbin

version() { nginx -v 2>&1 | sed 's,.*/,,'; }

fetch() { tracked curl --silent --show-error --fail "$@"; }

# load REQUESTS CONCURRENCY PATH
load() {
    tracked ab -q -r -k -n "$1" -c "$2" -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port$3" >ab.log 2>&1 ||
        die "ab: $(tail -n 5 ab.log)"
    echo "$3" "$(grep -E '^(Complete|Failed) requests' ab.log | tr -s ' ' | tr '\n' ' ')"
    if grep 'Non-2xx' ab.log >&2; then die "not every answer was good"; fi
}

run() {
    port=$(free_port)
    mkdir www temp
    seq 1 100 >www/small.txt
    seq 1 20000 >www/medium.txt
    seq 1 2000000 >www/large.txt
    cat >nginx.conf <<CONF
daemon off; worker_processes 2; pid $PWD/nginx.pid; error_log $PWD/nginx-error.log warn;
events { worker_connections 512; }
http {
    access_log $PWD/access.txt; default_type text/plain; gzip on; gzip_types text/plain; gzip_buffers 64 16k;
    client_body_temp_path $PWD/temp/body; proxy_temp_path $PWD/temp/proxy; fastcgi_temp_path $PWD/temp/f;
    uwsgi_temp_path $PWD/temp/u; scgi_temp_path $PWD/temp/s;
    proxy_buffers 32 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 1m; output_buffers 4 256k; sendfile off;
    proxy_cache_path $PWD/temp/cache keys_zone=cache:1m;
    server {
        listen 127.0.0.1:$port; root $PWD/www;
        location /proxy/ { proxy_pass http://127.0.0.1:$port/; proxy_http_version 1.1; gzip off; }
        location /cache/ { proxy_pass http://127.0.0.1:$port/; proxy_cache cache; proxy_cache_valid 200 1s; }
    }
}
CONF
    # Workers of a server that root starts are another user's.
    chmod -R a+rwX .
    nginx -p "$PWD" -c "$PWD/nginx.conf" >nginx.log 2>&1 &
    server=$!
    until_true 20 curl --silent --fail "http://127.0.0.1:$port/small.txt"
    loaded "$server"
    local file worker
    for worker in $(pgrep -P "$server"); do loaded "$worker"; done
    for file in small medium large; do
        fetch "http://127.0.0.1:$port/$file.txt" | digest
        fetch --compressed "http://127.0.0.1:$port/$file.txt" | digest
        fetch "http://127.0.0.1:$port/proxy/$file.txt" | digest
        fetch "http://127.0.0.1:$port/cache/$file.txt" | digest
    done
    load $((20000 * SCALE)) 50 /small.txt
    load $((1500 * SCALE)) 20 /medium.txt
    load $((1500 * SCALE)) 20 /cache/medium.txt
    load $((500 * SCALE)) 10 /proxy/medium.txt
    load 8 2 /proxy/large.txt
    # New workers; the old ones finish what they have.
    (
        sleep 0.3
        kill -HUP "$server"
    ) &
    load $((8000 * SCALE)) 20 /proxy/small.txt
    wait $!
    for file in 404 small; do curl --silent -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/$file.txt"; done
    kill -QUIT "$server"
    wait "$server" || die "the server ended with status $?: $(tail -n 5 nginx.log)"
    if grep -E 'alert|emerg|crit' nginx-error.log >&2; then die "the server complains"; fi
}

"$@"
