# LibreOffice without a display: a large table and a document through its formats and back.
source "${BASH_SOURCE[0]%/*}/common.sh"

# Not the wrapper in PATH: that is a shell, and its process not the program's.
soffice=/usr/lib/libreoffice/program/soffice.bin

version() { $soffice --version 2>/dev/null | awk '{ print $2 }'; }

# With a new profile it asks to be started again, by status 81.
convert_to() {
    local status=0
    convert_once "$@" || status=$?
    [ $status -ne 81 ] || convert_once "$@" || status=$?
    [ $status -eq 0 ] || [ $status -eq 81 ] || die "soffice: status $status: $(tail -n 5 office.log)"
    [ -s "$2/$(basename "${3%.*}").${1%%:*}" ] || die "soffice: no $1 of $3: $(tail -n 5 office.log)"
}

convert_once() {
    tracked $soffice --headless --norestore "-env:UserInstallation=file://$PWD/profile" --convert-to "$1" --outdir "$2" "$3" \
        >>office.log 2>&1
}

run() {
    awk -v rows=$((4000 * SCALE)) 'BEGIN {
        print "number,square,text,share"
        for (i = 1; i <= rows; i++) printf "%d,%d,text %d of %d,%d.5\n", i, i * i, i, rows, i % 77
    }' >table.csv
    {
        echo '<html><body><h1>A document</h1>'
        for ((i = 0; i < 400; i++)); do
            echo "<p>Paragraph <b>$i</b> with <i>words</i> and more words, to fill a line or two of the page.</p>"
            [ $((i % 100)) -ne 0 ] || echo "<table><tr><td>$i</td><td>cell</td></tr></table>"
        done
        echo '</body></html>'
    } >document.html
    convert_to xlsx one table.csv
    convert_to ods two one/table.xlsx
    convert_to csv three two/table.ods
    cmp table.csv three/table.csv >&2
    wc -l <three/table.csv
    convert_to odt one document.html
    convert_to docx two one/document.odt
    convert_to txt:Text three two/document.docx
    digest <three/document.txt
    # Dates and ids differ from run to run; pages do not.
    convert_to pdf four two/document.docx
    convert_to pdf four one/table.xlsx
    grep -a -o -E '/Type ?/Pages.*' four/*.pdf | grep -o -E '/Count [0-9]+' || grep -a -c '/Type/Page/' four/*.pdf
    if grep -i -E 'crash|fatal' office.log >&2; then die "the office complains"; fi
}

"$@"
