"""What is fetched, from where, the SHA-256 of every file, and the licence. Nothing of it is committed."""

from __future__ import annotations

from dataclasses import dataclass

MULTI30K = "multi30k/dataset@a3d2e0d26b56f3846f66a952536ffed4e401d05a"
LASER = "facebookresearch/LASER@74bc6ae7ffb7cba670fe0f428d0ede9f666fb821"


@dataclass(frozen=True)
class Package:
    """A Debian package; ``sha256`` by version, as a stable release may move on by an update."""

    name: str
    sha256: dict[str, str]


@dataclass(frozen=True)
class GitFile:
    """A file of a public Git repository; ``sha256`` is of the text, unpacked where ``path`` ends in .gz."""

    repository: str
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """The name under which it is kept."""
        return self.path.rpartition("/")[2].removesuffix(".gz")


@dataclass(frozen=True)
class DataSet:
    """A set as ``fetch`` names it."""

    name: str
    about: str
    licence: str
    sources: tuple[Package | GitFile, ...]


def _package(name: str, version: str, sha256: str) -> Package:
    return Package(name, {version: sha256})


CAPTIONS = DataSet(
    "multi30k",
    "image captions in English, German, French, Czech (Elliott et al. 2016, 2017)",
    "none is stated: research use",
    tuple(
        GitFile(MULTI30K, f"data/task1/raw/{name}.gz", sha256)
        for name, sha256 in {
            "test_2016_flickr.cs": "45adb85f688de8407fddcbe1b36dca15d12aab868149b337e2576f2d6d2ff8d8",
            "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
            "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
            "test_2016_flickr.fr": "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6",
            "test_2017_flickr.de": "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081",
            "test_2017_flickr.en": "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
            "test_2017_flickr.fr": "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6",
            "test_2017_mscoco.de": "58277df3c75f92f7145a11b910b553d1cf82c439249d4dc237c899609eafac22",
            "test_2017_mscoco.en": "43051fdfa86fd5395182e718a94ca67b1b227b9f7c79596ff0f6b813216981d2",
            "test_2017_mscoco.fr": "39cde3f43f32b0a6bf29ce4917a46329ff32e53070c2fac87506695a740ae0a0",
            "train.cs": "2be68b38c8d586ff4f54eb13cc6e1baaaa053695b3f070d3038303a47f2268da",
            "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
            "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
            "train.fr": "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d",
            "val.cs": "d53827e469b0a1ca8d57e9e26b2b64c4bc4b33f5479c7b03ae87ae5c882c3e33",
            "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
            "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
            "val.fr": "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc",
        }.items()
    ),
)
TATOEBA = DataSet(
    "tatoeba",
    "1,000 sentence pairs each of Czech, German, French, Spanish with English, as LASER tests on them",
    "CC-BY 2.0 FR",
    tuple(
        GitFile(LASER, f"data/tatoeba/v1/{name}", sha256)
        for name, sha256 in {
            "tatoeba.ces-eng.ces": "0ca1f07a72f547df79288f0c6a1642176009d0b878a75534ed018fe715946f6b",
            "tatoeba.ces-eng.eng": "ac195f54f697faaae84e9ea3e395c5c20c46d5b5bf97f4a9840fdfd2a6b183f0",
            "tatoeba.deu-eng.deu": "edfa6f75a42554df388f45891735d5e4214158a99def4b73b5908af4a3054551",
            "tatoeba.deu-eng.eng": "eb9cc83a42f2c4b22f310d05311207e41abb56c2a084666cac3ee0f84d2d0b84",
            "tatoeba.fra-eng.eng": "5634220f8a26a9a23b84753a9aec0b0832e6bdaa9da3f83e0bd84c928c3f46e3",
            "tatoeba.fra-eng.fra": "644172ff9642fefa9e41c29b7d6f44196518e84350dc44d4992e943c0cca92b6",
            "tatoeba.spa-eng.eng": "89e4470f4572040b1ca94b3edad97dcd8bd2f0141f072e12933b8659dadf917d",
            "tatoeba.spa-eng.spa": "f9628cea40481e8251f0999718bd893cff0f261752f5e526b3bc20284e2ca018",
        }.items()
    ),
)
VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
ASTERISK = DataSet(
    "asterisk",
    "telephone prompts by one professional speaker a language, 8 kHz, parallel by name",
    "CC-BY-SA 3.0",
    tuple(
        _package(name, "1.6.1-1", sha256)
        for name, sha256 in {
            "asterisk-core-sounds-en-wav": "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
            "asterisk-core-sounds-en": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
            "asterisk-core-sounds-es-wav": "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
            "asterisk-core-sounds-es": "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
            "asterisk-core-sounds-fr-wav": "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e",
            "asterisk-core-sounds-fr": "04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
            "asterisk-core-sounds-it-wav": "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb",
            "asterisk-core-sounds-it": "3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b",
            "asterisk-core-sounds-ru-wav": "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
            "asterisk-core-sounds-ru": "28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab",
        }.items()
    ),
)
FILLETS = DataSet(
    "fillets",
    "acted dialogue of the game Fish Fillets: Czech and Dutch speech, each line in many languages",
    "GPL-2+",
    tuple(
        _package(name, "1.0.1-2", sha256)
        for name, sha256 in {
            "fillets-ng-data-cs": "dd387d4c149c0b91f20955c337b361583b4433b541075ec2f9501e2cda87ffcb",
            "fillets-ng-data-nl": "bb825cc6d440d376efb6fd5cec1974c49defa9488960c44b3bb17dba45222d49",
            "fillets-ng-data": "671d8fcbd61f6c0cc3c272fb8998e023b7e7695418af2c9d46a77e362cf79e5f",
        }.items()
    ),
)
MANUALS = DataSet(
    "manuals",
    "English-German paragraphs of Debian's reference, its developer's reference and LibreOffice's help",
    "GPL-2+ (the references), MPL-2.0 (LibreOffice)",
    (
        _package(
            "debian-reference-de", "2.127", "7fa66b6e77800d7eceefa9b7f8fd9b498f3b4dd42824216dfc6a7530df783a11"
        ),
        _package(
            "debian-reference-en", "2.127", "81d62f642c571dd5ad2de4aa56ba953c488fc9a0aaf0336dc4ef120ff9e367ce"
        ),
        _package(
            "developers-reference-de",
            "13.20",
            "8235099170d8683ed8885414132a0f0380ce354fe7e8dc43ff72773ce4764152",
        ),
        _package(
            "developers-reference",
            "13.20",
            "fec366e4b20ea0a74e9990340047c5d5e71d51aa2884ce62e17e59e7ad728015",
        ),
        Package(
            "libreoffice-help-de",
            {
                "4:25.2.3-2+deb13u12": "05421c5373afb1883a3110295c218da82850207ea423c75ef10ba935cf7d848f",
                "4:25.2.3-2+deb13u9": "252fe175ee7f9db0b4959bc47a88f84a8bbee09f0b56fa3f99103289921a47c9",
            },
        ),
        Package(
            "libreoffice-help-en-us",
            {
                "4:25.2.3-2+deb13u12": "63f3bb7bee7ddce5d3df96a8e326ebd9ad7f09fbc262eb238317ef19c7e5f4c6",
                "4:25.2.3-2+deb13u9": "5f5876c55315bef731dd63ab007d9ea247e1120d25320c78dfdd8adfc61eb721",
            },
        ),
    ),
)
SETS = {entry.name: entry for entry in (CAPTIONS, TATOEBA, ASTERISK, FILLETS, MANUALS)}
