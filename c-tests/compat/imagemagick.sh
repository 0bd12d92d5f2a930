# ImageMagick: large pictures generated, filtered by several threads, compressed and read again; signatures of pixels.
source "${BASH_SOURCE[0]%/*}/common.sh"

# The name of version 6; version 7 has it too.
version() { convert -version | awk 'NR == 1 { print $3 }'; }

run() {
    local operation size=$((700 * SCALE))
    magick() { tracked convert -limit thread 4 "$@"; }
    magick -seed 42 -size "${size}x900" plasma:red-blue -depth 8 base.png
    for operation in "-resize 40%" "-blur 0x4" "-rotate 33" "-edge 2" "-colorspace Lab" "-sharpen 0x2" "-colors 64" \
        "-median 3" "-distort Arc 60" "-equalize" "-morphology Dilate Octagon"; do
        # shellcheck disable=SC2086
        magick base.png $operation out.miff
        echo "$operation $(tracked identify -format '%# %wx%h' out.miff)"
    done
    for format in png jpg tiff gif bmp; do
        magick base.png -resize 800x "out.$format"
        echo "$format $(tracked identify -format '%#' "out.$format")"
    done
    magick base.png base.png -append -crop 400x400 +repage "tile-%03d.png"
    tracked montage tile-*.png -tile 5x -geometry 100x100+2+2 montage.png
    tracked identify -format '%#\n' montage.png
    tracked compare -metric AE base.png base.png null: 2>&1
    echo
}

"$@"
