# ffmpeg: generated pictures and sound through filters and threaded encoders, and back; digests of every frame.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { ffmpeg -version | awk 'NR == 1 { print $3 }'; }

run() {
    local seconds=$((2 * SCALE)) codec
    local input=(-f lavfi -i "testsrc2=size=1280x720:rate=25:duration=$seconds"
        -f lavfi -i "sine=frequency=440:beep_factor=4:duration=$seconds")
    ff() { tracked ffmpeg -nostdin -hide_banner -loglevel error -threads 4 "$@"; }
    # Codecs that give the same with threads every time, also without the library: mjpeg and libvpx do not.
    for codec in "libx264 -preset veryfast" "mpeg4" mpeg2video "ffv1" "png"; do
        # shellcheck disable=SC2086
        ff "${input[@]}" -vf "scale=854:480,hue=h=30,unsharp" -c:v $codec -c:a flac -threads 4 -flags +bitexact \
            -fflags +bitexact -y out.mkv
        digest <out.mkv
        ff -i out.mkv -f framemd5 - | digest
    done
    ff "${input[@]}" -c:v rawvideo -c:a pcm_s16le -f md5 -
    ff -i out.mkv -filter_complex "[0:v]split=4[a][b][c][d];[a][b][c][d]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0" \
        -t 2 -f framemd5 - | digest
}

"$@"
